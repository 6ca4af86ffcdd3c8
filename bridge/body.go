package bridge

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/livebridge/livebridge/protocol"
)

// An allowance bounds bytes that many hold together.
type allowance struct {
	limit int64
	held  atomic.Int64
}

// bodiesAtOnce is how many of the largest bodies there may be at one time; of smaller ones, more.
const bodiesAtOnce = 8

// take returns false, and takes nothing, where there is not as much left.
func (a *allowance) take(n int64) bool {
	if a.held.Add(n) <= a.limit {
		return true
	}
	a.held.Add(-n)
	return false
}

func (a *allowance) give(n int64) { a.held.Add(-n) }

// A body is what was read of a request, and what it holds of the bridge's memory for that.
type body struct {
	of   *allowance
	data []byte
	held int64
}

// take makes room for n more bytes.
func (b *body) take(n int64) bool {
	ok := b.of.take(n)
	if ok {
		b.held += n
	}
	return ok
}

// done gives back what the body holds. Nothing of it may be used any more.
func (b *body) done() { b.of.give(b.held) }

var errBodies = errors.New("too many bytes of bodies")

// bodyStep is how much room is made at once, at most, for a body whose length nobody knows.
const bodyStep = 64 << 10

// body reads a request's body, once it is known that its sender may send one. The caller calls done, in any case.
func (s *Server) body(c *fiber.Ctx) (*body, error) {
	b := &body{of: &s.bodies}
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return b, nil
	}
	_ = c.Context().Conn().SetReadDeadline(time.Now().Add(s.cfg.RequestTimeout))
	err := b.read(stream, c.Context().Request.Header.ContentLength(), s.cfg.Body)
	var timeout net.Error
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fiber.ErrRequestEntityTooLarge):
	case errors.Is(err, errBodies):
		s.refuse(overBodies, s.visitor(c).remote)
		c.Set(fiber.HeaderRetryAfter, retrySeconds(refusalRetry))
		err = protocol.Errorf(protocol.RateLimited, "the bridge is reading as many bytes of requests as it may: nothing was stored, send the events again later")
	case errors.As(err, &timeout) && timeout.Timeout():
		err = fiber.ErrRequestTimeout
	default:
		err = fiber.NewError(fiber.StatusBadRequest, "the body did not arrive as its headers say")
	}
	c.Context().SetConnectionClose()
	return b, err
}

// expected answers a client that asks whether it should send its body (Expect: 100-continue, as curl does): whoever may not is told so
// while it still listens.
func (s *Server) expected(app *fiber.App, ctx *fasthttp.RequestCtx) int {
	c := app.AcquireCtx(ctx)
	defer app.ReleaseCtx(c)
	var err error
	if _, perr := s.authorize(c); perr != nil {
		err = perr
	} else if ctx.Request.Header.ContentLength() > s.cfg.Body {
		err = fiber.ErrRequestEntityTooLarge
	}
	if err == nil {
		return fiber.StatusContinue
	}
	_ = s.onError(c, err)
	return ctx.Response.StatusCode()
}

// read reads a body of that size, or, where it is negative, of one that is not known.
func (b *body) read(stream io.Reader, size, most int) (err error) {
	if size > most {
		return fiber.ErrRequestEntityTooLarge
	}
	if size >= 0 {
		if !b.take(int64(size)) {
			return errBodies
		}
		b.data, err = io.ReadAll(io.LimitReader(stream, int64(size))) // the buffer grows with what arrives, not with what a header claims
		if err == nil && len(b.data) < size {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	for step := min(bodyStep, most); ; {
		if int64(len(b.data)) == b.held {
			if !b.take(int64(step)) {
				return errBodies
			}
			b.data = slices.Grow(b.data, step)
		}
		n, err := stream.Read(b.data[len(b.data):b.held])
		b.data = b.data[:len(b.data)+n]
		switch {
		case len(b.data) > most:
			return fiber.ErrRequestEntityTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
