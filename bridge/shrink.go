package bridge

// The handshakes of thousands of connections that come at once leave garbage, large stacks and idle goroutines of the HTTP server. Where
// little is sent afterwards it would be minutes until the garbage collector runs again, and longer until the machine has its memory back.

// aCrowd is how many connections are worth a garbage collection of their own.
const aCrowd = 1000

// A shrinker says when memory is to be given back: when a crowd has come, and no more of it comes. It is asked at a steady pace.
type shrinker struct {
	before int // connections when it was asked last
	came   int // of the crowd
}

// due takes the present number of connections.
func (s *shrinker) due(now int) bool {
	more := max(now-s.before, 0)
	s.before = now
	if s.came += more; s.came < aCrowd || more > s.came/100 {
		return false
	}
	s.came = 0
	return true
}
