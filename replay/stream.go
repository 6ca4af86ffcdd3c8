package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/subjects"
)

// StreamConfig is what the bridge creates the stream with when it is missing. An existing stream keeps its own settings.
type StreamConfig struct {
	Name     string        // "" = LIVE
	Replicas int           // 0 = 1
	MaxAge   time.Duration // 0 = 24 h; negative = no limit
	MaxBytes int64         // 0 = 1 GiB; negative = no limit
}

func (c StreamConfig) withDefaults() StreamConfig {
	if c.Name == "" {
		c.Name = "LIVE"
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	return c
}

// DuplicateWindow is how long a stream that the bridge created recognises a Nats-Msg-Id.
const DuplicateWindow = 2 * time.Minute

// A StreamError says that the stream cannot be used as it is: what differs, and what to do.
type StreamError struct {
	Stream  string
	Problem string
	Hint    string
}

func (e *StreamError) Error() string { return fmt.Sprintf("stream %s: %s", e.Stream, e.Problem) }

// apiTimeout bounds one request to JetStream's API: longer than any healthy answer, short enough to notice a lost one.
const apiTimeout = 2 * time.Second

// A stream is the JetStream stream, asked at its leader.
type stream struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	cfg StreamConfig
}

func newStream(nc *nats.Conn, cfg StreamConfig) (*stream, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	return &stream{nc: nc, js: js, cfg: cfg.withDefaults()}, nil
}

// open makes sure that the stream is there and can be used. It creates a missing one and leaves an existing one as it is.
func (s *stream) open(ctx context.Context) error {
	ctx, stop := s.attended(ctx, nil)
	defer stop()
	st, err := s.js.Stream(ctx, s.cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = s.create(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return s.explain(unanswered(ctx, err))
		}
		st, err = s.js.Stream(ctx, s.cfg.Name) // another bridge was faster
	}
	if err != nil {
		return s.explain(unanswered(ctx, err))
	}
	return s.usable(st.CachedInfo().Config)
}

func (s *stream) create(ctx context.Context) error {
	_, err := s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:               s.cfg.Name,
		Description:        "Live events, kept by Livebridge",
		Subjects:           []string{subjects.All},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardOld,
		Replicas:           s.cfg.Replicas,
		MaxAge:             max(s.cfg.MaxAge, 0),
		MaxBytes:           s.cfg.MaxBytes,
		Duplicates:         duplicates(s.cfg.MaxAge),
		AllowDirect:        true,
		AllowAtomicPublish: true,
	})
	return err
}

// duplicates is the duplicate window: JetStream refuses one that is longer than the maximum age.
func duplicates(maxAge time.Duration) time.Duration {
	if maxAge > 0 {
		return min(DuplicateWindow, maxAge)
	}
	return DuplicateWindow
}

// JetStream's error codes that a person at start-up can do something about (nats-server/server/errors.json).
const (
	codeSubjectsOverlap = 10065
	codeNoReplicas      = 10074 // replicas > 1 needs a cluster
	codeStorage         = 10047 // insufficient storage resources
)

func (s *stream) explain(err error) error {
	if err == nil {
		return nil
	}
	problem := func(p, hint string) error { return &StreamError{Stream: s.cfg.Name, Problem: p, Hint: hint} }
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeSubjectsOverlap:
			return problem("another stream already has subjects that overlap "+subjects.All, "use that stream with --stream NAME, or take "+subjects.Root+".* out of its subjects")
		case codeNoReplicas:
			return problem(fmt.Sprintf("%d replicas need a NATS cluster", s.cfg.Replicas), "set --replicas 1, or connect to a cluster with --nats-url")
		case codeStorage:
			return problem("NATS has not enough storage for it: "+api.Description, "lower --max-bytes, or raise max_file of jetstream in nats.conf")
		}
	}
	switch {
	case denies(err):
		return problem("this NATS user lacks a right that the bridge needs: "+err.Error(), "give it that right: docs/configuration.md lists all that a bridge needs, under \"A NATS of your own\"")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return problem("JetStream does not answer on this NATS server", "enable it: a jetstream { store_dir: … } block in its configuration, or for this account")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return problem("JetStream did not answer in time", "is the cluster without a leader, or does this NATS user lack the right to use $JS.API.STREAM.*?")
	}
	return fmt.Errorf("open stream %s: %w", s.cfg.Name, err)
}

// usable says whether an existing stream's settings let it carry live events.
func (s *stream) usable(cfg jetstream.StreamConfig) error {
	problem := func(p, hint string) error { return &StreamError{Stream: s.cfg.Name, Problem: p, Hint: hint} }
	edit := fmt.Sprintf("nats stream edit %s --subjects='%s'", s.cfg.Name, subjects.All)
	switch {
	case cfg.Mirror != nil:
		return problem("it is a mirror, and a mirror takes no events of its own", "name a stream with the subjects "+subjects.All+" by --stream")
	case !slices.ContainsFunc(cfg.Subjects, carriesAll):
		return problem(fmt.Sprintf("its subjects are %q, but live events need %q", cfg.Subjects, subjects.All), "add them ("+edit+"), or name another stream by --stream")
	case cfg.Retention != jetstream.LimitsPolicy:
		return problem(fmt.Sprintf("its retention is %s, but replay needs limits", cfg.Retention), "retention cannot be edited: name another stream by --stream")
	case cfg.NoAck:
		return problem("it gives no acknowledgements (no_ack), but a publisher must know what is stored", "set no_ack to false, or name another stream by --stream")
	case cfg.Sealed:
		return problem("it is sealed and takes no events", "name another stream by --stream")
	}
	return nil
}

// carriesAll says whether a stream subject takes in every event's subject.
func carriesAll(subject string) bool {
	switch subject {
	case subjects.All, subjects.Root + ".>", subjects.Root + ".*.>", subjects.Root + ".*.*.>", "*.*.*.*", "*.>", "*.*.>", "*.*.*.>", ">":
		return true
	}
	return false
}

// asking is a context for one request. It ends after a time, and when the connection changes: what was asked before is not answered any more.
func (s *stream) asking(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, most)
	changed := s.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	ctx, stop := s.attended(ctx, changed)
	return ctx, func() {
		stop()
		cancel()
		s.nc.RemoveStatusListener(changed)
	}
}

// deniedEvery is how often an unanswered request looks for the reason: NATS tells the connection, and not whoever asks, what a user may not.
const deniedEvery = 100 * time.Millisecond

// attended is a context that ends when changed says something, and, with the refusal as its cause, when NATS refuses what was asked.
func (s *stream) attended(ctx context.Context, changed <-chan nats.Status) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	before, done := s.nc.LastError(), make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(deniedEvery)
		defer look.Stop()
		for {
			select {
			case <-changed:
				cancel(nil)
			case <-look.C:
				if err := s.nc.LastError(); err != before && denies(err) {
					cancel(err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// denies says whether an error is a refusal of something without which JetStream cannot be asked: a request of its API, or an inbox.
func denies(err error) bool {
	return errors.Is(err, nats.ErrPermissionViolation) && (strings.Contains(err.Error(), `"$JS.`) || strings.Contains(err.Error(), "Subscription to"))
}

// unanswered is the error of a request, or the refusal for which it got no answer.
func unanswered(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); denies(cause) {
		return cause
	}
	return err
}

// A state is what the stream's leader says of the stream at one moment.
type state struct {
	inc      uint64
	first    uint64 // sequence of the oldest stored message; last+1 when none is stored
	firstAt  int64  // its store time; 0 when none is stored
	last     position
	deleted  int      // messages deleted from between first and last
	holes    []uint64 // their sequences in order, where they were asked for
	maxBatch bool
}

// newest is the sequence of the newest message that is stored, where the holes are known.
func (st state) newest() uint64 {
	seq := st.last.seq
	for i := len(st.holes) - 1; i >= 0 && st.holes[i] == seq; i-- {
		seq--
	}
	return seq
}

// info asks the leader. The answer of a server that has just lost its leadership can be older than what was acknowledged.
func (s *stream) info(ctx context.Context, body any) (*jetstream.StreamInfo, error) {
	ctx, cancel := s.asking(ctx, apiTimeout)
	defer cancel()
	var r struct {
		jetstream.StreamInfo
		Error *jetstream.APIError `json:"error"`
	}
	if err := s.request(ctx, "STREAM.INFO."+s.cfg.Name, body, &r); err != nil {
		return nil, err
	}
	if r.Error != nil {
		return nil, fmt.Errorf("stream %s: %w", s.cfg.Name, r.Error)
	}
	if err := quorum(r.Cluster); err != nil {
		return nil, fmt.Errorf("stream %s: %w", s.cfg.Name, err)
	}
	return &r.StreamInfo, nil
}

// stores says whether any message that is stored matches a filter. It is a look at the index of subjects: how much is stored does not count.
func (s *stream) stores(ctx context.Context, filter string) (bool, error) {
	info, err := s.info(ctx, map[string]string{"subjects_filter": filter})
	return err == nil && len(info.State.Subjects) > 0, err
}

// state is what info says; details also asks for the holes.
func (s *stream) state(ctx context.Context, details bool) (state, error) {
	var body any
	if details {
		body = map[string]bool{"deleted_details": true}
	}
	r, err := s.info(ctx, body)
	if err != nil {
		return state{}, err
	}
	st := r.State
	out := state{inc: incarnation(s.cfg.Name, r.Created), first: st.FirstSeq, last: position{seq: st.LastSeq}, deleted: st.NumDeleted, holes: st.Deleted, maxBatch: r.Config.AllowAtomicPublish}
	if !st.LastTime.IsZero() {
		out.last.at = st.LastTime.UnixNano()
	}
	if st.Msgs == 0 {
		out.first = st.LastSeq + 1
		out.deleted, out.holes = 0, nil // the server names one that is before the front
	} else {
		out.firstAt = st.FirstTime.UnixNano()
	}
	return out, nil
}

// errNoMessage says that no stored message answers to a request.
var errNoMessage = errors.New("no message found")

// next asks the leader for the first stored message at or after a sequence; next{Time} at or after a store time.
func (s *stream) next(ctx context.Context, seq uint64) (position, error) {
	return s.find(ctx, map[string]any{"seq": max(seq, 1), "next_by_subj": ">", "no_hdr": true})
}

func (s *stream) nextTime(ctx context.Context, t time.Time) (position, error) {
	return s.find(ctx, map[string]any{"start_time": t, "next_by_subj": ">", "no_hdr": true})
}

// find sends one STREAM.MSG.GET. Unlike a direct get it is always answered by the stream's leader.
func (s *stream) find(ctx context.Context, body any) (position, error) {
	ctx, cancel := s.asking(ctx, apiTimeout)
	defer cancel()
	var r struct {
		Message *struct {
			Seq  uint64    `json:"seq"`
			Time time.Time `json:"time"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := s.request(ctx, "STREAM.MSG.GET."+s.cfg.Name, body, &r); err != nil {
		return position{}, err
	}
	switch {
	case r.Error != nil && r.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return position{}, errNoMessage
	case r.Error != nil:
		return position{}, fmt.Errorf("stream %s: %w", s.cfg.Name, r.Error)
	case r.Message == nil:
		return position{}, fmt.Errorf("stream %s: an answer without a message", s.cfg.Name)
	}
	return position{r.Message.Seq, r.Message.Time.UnixNano()}, nil
}

func (s *stream) request(ctx context.Context, subject string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	msg, err := s.nc.RequestWithContext(ctx, "$JS.API."+subject, data)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, unanswered(ctx, err))
	}
	if err := json.Unmarshal(msg.Data, into); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return nil
}
