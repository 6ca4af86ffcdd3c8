package abuse

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A refusal is a bridge that must not start.
type refusal struct {
	name string
	args func(t *testing.T) []string
	env  string
	exit int
}

var atStart = []refusal{
	{"a public address and no tokens", flags("--listen", "0.0.0.0:0"), "", 2},
	{"NATS inside on a public address, and no users", flags("--nats-listen", "0.0.0.0:0"), "", 2},
	{"a secret that the group may read (0640)", withFile("--jwt-secret-file", 0o640, strings.Repeat("s", 48)), "", 2},
	{"a secret that everybody may read (0644)", withFile("--jwt-secret-file", 0o644, strings.Repeat("s", 48)), "", 2},
	{"a secret of 31 bytes", withFile("--jwt-secret-file", 0o600, strings.Repeat("s", 31)), "", 1},
	{"an empty secret", withFile("--jwt-secret-file", 0o600, "\n"), "", 1},
	{"a public key as the secret with which everybody could sign", func(t *testing.T) []string {
		return withFile("--jwt-secret-file", 0o600, string(newKeys(t, "RS256").public()))(t)
	}, "", 1},
	{"the private key where the public one belongs", withFile("--jwt-key-file", 0o600, "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHiBzAgGcCfMPbqsI9cmtr/4GExwXvJ5EAG5L6xPU6kD\n-----END PRIVATE KEY-----\n"), "", 1},
	{"a key set by http from another machine", flags("--jwks-url", "http://login.example/jwks.json"), "", 1},
	{"a key set that redirects", func(t *testing.T) []string {
		s := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data", http.StatusFound))
		t.Cleanup(s.Close)
		return []string{"--jwks-url", s.URL}
	}, "", 1},
	{"a key set of 2 MB", func(t *testing.T) []string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + strings.Repeat(" ", 2<<20) + `]}`))
		}))
		t.Cleanup(s.Close)
		return []string{"--jwks-url", s.URL}
	}, "", 1},
	{"a key set without a key that can verify", func(t *testing.T) []string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0LXRoYXQtZXZlcnlib2R5LWtub3dz"}]}`))
		}))
		t.Cleanup(s.Close)
		return []string{"--jwks-url", s.URL}
	}, "", 1},
	{"two ways to verify tokens", flags("--jwks-url", "https://login.example/jwks.json", "--jwt-key-file", "public.pem"), "", 2},
	{"an issuer, and no way to verify tokens", flags("--jwt-issuer", "https://login.example"), "", 2},
	{"an origin with a path", flags("--origins", "https://good.example/admin"), "", 2},
	{"an origin with a * in the middle", flags("--origins", "https://a.*.example"), "", 2},
	{"a variable that is no setting, as a misspelt one", flags(), "LIVEBRIDGE_JWT_SECRETFILE=jwt.secret", 2},
	{"a limit of zero", flags("--max-connections", "0"), "", 2},
}

func flags(args ...string) func(*testing.T) []string {
	return func(*testing.T) []string { return args }
}

func withFile(flag string, mode os.FileMode, content string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		path := file(t, "file", []byte(content))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return []string{flag, path}
	}
}

var folder = regexp.MustCompile(`/\S*/(file)\b`)

// run starts the bridge, which has to end, and returns what it said.
func (r refusal) run(t *testing.T) string {
	store := filepath.Join(t.TempDir(), "store")
	cmd := exec.Command(bridgeBin, append([]string{"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--store-dir", store}, r.args(t)...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1", r.env)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != r.exit {
		t.Errorf("%v, want exit status %d:\n%s", err, r.exit, out)
	}
	if _, err := os.Stat(store); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made at %s: %v", store, err)
	}
	if strings.Contains(string(out), "ssssssss") {
		t.Errorf("it shows the secret:\n%s", out)
	}
	return port.ReplaceAllString(folder.ReplaceAllString(strings.TrimSpace(string(out)), "$1"), "127.0.0.1:PORT")
}
