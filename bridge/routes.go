package bridge

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/websocket/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
)

// routes is all of Fiber in this package besides the handlers of http.go and sse.go. What the settings are for:
// Immutable, so that no string outlives the buffer it points into; ReduceMemoryUsage, so that an idle connection holds no buffers of the
// HTTP server; time-outs against requests that never end and answers that nobody reads.
func (s *Server) routes() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName: "Livebridge", DisableStartupMessage: true, Immutable: true, ReduceMemoryUsage: true,
		ReadBufferSize: 16 << 10, ReadTimeout: s.cfg.RequestTimeout, WriteTimeout: time.Minute, IdleTimeout: 90 * time.Second,
		StreamRequestBody:            true, // who sends a body is looked at before the body is, see body.go …
		BodyLimit:                    1,    // … as soon as its first byte has come
		DisablePreParseMultipartForm: true, // a form is not taken: it needs no files of its own on the disk
		EnableTrustedProxyCheck:      true, // and Fiber trusts no proxy: see proxies
		ErrorHandler:                 s.onError,
	})
	app.Server().Logger = silent{}
	app.Server().ConnState = s.connState
	app.Server().ExpectHandler = func(ctx *fasthttp.RequestCtx) int { return s.expected(app, ctx) }
	served := app.Server().Handler
	app.Server().Handler = func(rc *fasthttp.RequestCtx) {
		if slices.Contains(fiber.DefaultMethods, string(rc.Method())) {
			served(rc)
			return
		}
		c := app.AcquireCtx(rc) // Fiber would answer by itself, and not as errors are answered here
		defer app.ReleaseCtx(c)
		_ = s.onError(c, fiber.ErrMethodNotAllowed)
	}
	app.Use(s.guard)
	upgrade := websocket.New(s.upgraded, websocket.Config{Subprotocols: []string{protocol.Subprotocol}, ReadBufferSize: 256, WriteBufferSize: 256})
	app.Get("/v1/ws", s.handshake, upgrade)
	app.Get("/v1/sse", s.getSSE)
	if s.cfg.Auth != nil {
		app.Post("/v1/ticket", s.postTicket)
	}
	app.Get("/v1/events", s.getEvents)
	app.Post("/v1/events", s.postEvents)
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	app.Get("/readyz", s.getReady)
	if !s.cfg.PrivateMetrics && s.cfg.Auth == nil {
		app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{})))
	}
	if s.console != nil {
		app.Get("/", s.console.getPage)
		app.Get("/console/:version/:file", s.console.getAsset)
	}
	return app
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// guard refuses pages of foreign origins before anything else, and lets those that are allowed read the answers.
func (s *Server) guard(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.bug(s.log, r)
			err = internal()
		}
	}()
	secure(c)
	if host := string(c.Context().Host()); !s.origins.knows(host) {
		s.notePage(c, badHost, "host refused", "host", host)
		return protocol.Errorf(protocol.Forbidden, "this bridge is for this machine alone and is not known as %q: start it with --origins http://%s",
			short(host), short(host))
	}
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" {
		if !s.origins.any && hidden(c) {
			s.notePage(c, badOrigin, "origin refused", "origin", "")
			return protocol.Errorf(protocol.Forbidden, "a browser sent this without the origin of its page: leave out cookies where this is no browser")
		}
		return c.Next()
	}
	if !s.origins.allows(origin, string(c.Context().Host())) {
		s.notePage(c, badOrigin, "origin refused", "origin", origin)
		return protocol.Errorf(protocol.Forbidden, "pages of origin %q may not use this bridge: start it with --origins %s", short(origin), short(origin))
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Vary(fiber.HeaderOrigin)
	if c.Method() == fiber.MethodOptions && c.Get(fiber.HeaderAccessControlRequestMethod) != "" {
		c.Set(fiber.HeaderAccessControlAllowMethods, "GET, POST")
		c.Set(fiber.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Live-Origin")
		c.Set(fiber.HeaderAccessControlMaxAge, "600")
		return c.SendStatus(fiber.StatusNoContent)
	}
	return c.Next()
}

// hidden says whether a browser sent this for a page that does not say who it is. A page's WebSocket has an origin, always, and what a
// page only embeds (mode no-cors) has nothing to do here: https://fetch.spec.whatwg.org, https://www.w3.org/TR/fetch-metadata.
func hidden(c *fiber.Ctx) bool {
	site := c.Get("Sec-Fetch-Site")
	if websocket.IsWebSocketUpgrade(c) {
		return site != "" || c.Get(fiber.HeaderCookie) != ""
	}
	return c.Get("Sec-Fetch-Mode") == "no-cors" && (site == "cross-site" || site == "same-site")
}

func short(text string) string { return text[:min(len(text), 100)] }

// onError answers with the error that a handler returned. Only what is meant for the client is told.
func (s *Server) onError(c *fiber.Ctx, err error) error {
	var e *protocol.Error
	var fe *fiber.Error
	var full *refusal
	status := 0
	switch {
	case errors.As(err, &full):
		status, e = full.status(), s.tooMany(full.why)
		s.refuse(full.why, s.visitor(c).remote)
		c.Set(fiber.HeaderRetryAfter, retrySeconds(refusalRetry))
	case errors.As(err, &e):
		status = e.Code.Status()
	case errors.As(err, &fe):
		status = fe.Code
		e = httpError(c, fe)
		if why, ok := httpLimits[status]; ok {
			s.refuse(why, s.visitor(c).remote)
		}
	default:
		s.log.Error("request", "method", short(c.Method()), "path", short(c.Path()), "error", err)
		e = internal()
		status = fiber.StatusInternalServerError
	}
	s.metrics.refused(e.Code)
	secure(c) // what the HTTP server refuses by itself has not come by the guard
	s.log.Debug("refused", "code", e.Code, "status", status, "method", short(c.Method()), "path", short(c.Path()), "remote", s.visitor(c).remote.String())
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(protocol.AppendErrorBody(nil, e))
}

// httpLimits are the limits that a status speaks of.
var httpLimits = map[int]reason{
	fiber.StatusRequestTimeout: overTime, fiber.StatusRequestHeaderFieldsTooLarge: overHeader, fiber.StatusRequestEntityTooLarge: overBody,
}

// httpError words the errors that the HTTP server finds by itself.
func httpError(c *fiber.Ctx, e *fiber.Error) *protocol.Error {
	switch e.Code {
	case fiber.StatusNotFound:
		return protocol.Errorf(protocol.BadRequest, "nothing is here: see /v1/ws, /v1/sse, /v1/events, /healthz, /readyz")
	case fiber.StatusMethodNotAllowed:
		return protocol.Errorf(protocol.BadRequest, "%s is not allowed here", c.Method())
	case fiber.StatusRequestEntityTooLarge:
		return protocol.Errorf(protocol.TooLarge, "the request's body is too large: send fewer events at once")
	case fiber.StatusServiceUnavailable:
		return protocol.Errorf(protocol.Unavailable, "%s", e.Message)
	default:
		return protocol.Errorf(protocol.BadRequest, "%s", e.Message)
	}
}

func (s *Server) getReady(c *fiber.Ctx) error {
	if err := s.Ready(); err != nil {
		return fiber.NewError(fiber.StatusServiceUnavailable, err.Error())
	}
	return c.SendString("ready\n")
}

// handshake refuses what is no handshake of ours before the connection is taken over.
func (s *Server) handshake(c *fiber.Ctx) error {
	who := s.visitor(c)
	c.Locals("visitor", who)
	request := &c.Context().Request.Header
	key, err := base64.StdEncoding.DecodeString(c.Get("Sec-WebSocket-Key"))
	switch {
	case !websocket.IsWebSocketUpgrade(c):
		c.Set(fiber.HeaderUpgrade, "websocket")
		return fiber.NewError(fiber.StatusUpgradeRequired, "this is a WebSocket: connect with a WebSocket client and the subprotocol "+protocol.Subprotocol)
	case c.Get("Sec-WebSocket-Version") != "13":
		c.Set("Sec-WebSocket-Version", "13")
		return fiber.NewError(fiber.StatusUpgradeRequired, "only WebSocket version 13 is spoken here")
	case !request.IsHTTP11() || request.ConnectionClose():
		return fiber.NewError(fiber.StatusBadRequest, "a WebSocket needs HTTP/1.1 and a connection that stays open")
	case err != nil || len(key) != 16 || len(request.PeekAll("Sec-WebSocket-Key")) != 1:
		return fiber.NewError(fiber.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64, once")
	case c.Get("Sec-WebSocket-Protocol") != "" && !offers(c.Get("Sec-WebSocket-Protocol")):
		return fiber.NewError(fiber.StatusBadRequest, "none of the subprotocols is spoken here: offer "+protocol.Subprotocol)
	case hasBody(c):
		return fiber.NewError(fiber.StatusBadRequest, "a WebSocket's handshake has no body")
	case s.isDraining():
		c.Set(fiber.HeaderRetryAfter, "1")
		return fiber.NewError(fiber.StatusServiceUnavailable, "this bridge goes away: connect again")
	case s.canVerify() != nil:
		c.Set(fiber.HeaderRetryAfter, "2")
		return fiber.NewError(fiber.StatusServiceUnavailable, "this bridge cannot verify tokens yet: connect again in a moment")
	}
	if err := s.turnedAway(who.from, "", true); err != nil {
		return err
	}
	return c.Next()
}

// hasBody says whether the request has a body, which is read before whatever follows it.
func hasBody(c *fiber.Ctx) bool {
	n := c.Context().Request.Header.ContentLength()
	return n > 0 || n == -1 // -1: it is chunked
}

func offers(list string) bool {
	for p := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(p) == protocol.Subprotocol {
			return true
		}
	}
	return false
}

// upgraded takes over a connection after its handshake. Nothing of wc and what it wraps is kept, all of which go back to pools: only the
// socket, and what the client may have sent together with its handshake.
func (s *Server) upgraded(wc *websocket.Conn) {
	who, _ := wc.Locals("visitor").(visitor)
	nc := socket(wc.NetConn())
	ses := s.newSession(nc, handover(wc.NetConn(), nc), who)
	var begun bool
	if _, ok := ses.reads.(ws.Trier); ok {
		begun = s.poller.turn(ses)
	} else {
		begun = s.spawn(ses.turn)
	}
	if !begun {
		_ = nc.Close()
	}
}

// socket takes the connection itself out of the HTTP server's wrapping.
func socket(hijacked net.Conn) net.Conn {
	return hijacked.(interface{ UnsafeConn() net.Conn }).UnsafeConn().(interface{ take() net.Conn }).take()
}

// handover is what to read from: the socket and, before it, what the HTTP server had read from it beyond the request. Its buffer for that
// is much larger than what an idle connection may hold.
func handover(hijacked, nc net.Conn) ws.Conn {
	early := make([]byte, 1) // most clients send nothing before they have the answer
	if n, _ := hijacked.Read(early); n == 0 {
		return nc
	}
	rest, _ := io.ReadAll(hijacked)
	return &earlyConn{nc, append(early, rest...)}
}

// An earlyConn is a connection of which something has been read already.
type earlyConn struct {
	net.Conn
	early []byte
}

// Read implements [io.Reader].
func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

func (s *Server) newSession(nc net.Conn, reads ws.Conn, who visitor) *session {
	ses := &session{
		conn: s.newConn(newSessionID(), nc, wsFraming{}, who), subs: make(map[string]*entry), reads: reads,
	}
	if s.poller != nil && ses.raw != nil && ses.sealed == nil {
		ses.reads = &polled{Conn: reads, raw: ses.raw, place: &ses.parking, dry: true}
	}
	ses.publishes.changed.L = &ses.publishes.mu
	ses.lastRead.Store(ses.opened.UnixNano())
	ses.user = ses
	return ses
}
