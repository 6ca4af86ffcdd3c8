package bridge

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"

	"github.com/gofiber/fiber/v2"
)

// consoleFiles are the console: a page of static files without a build step. livebridge.js is the client's bundle for pages, brought up
// to date by `make console`.
//
//go:embed console
var consoleFiles embed.FS

// consolePolicy lets the page load and reach what this bridge serves and nothing else, run no script and no style that stands inside
// the page, and turn no text into HTML.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

var consoleTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// A console is the page and its files as they are served. The files lie under a path that holds their common hash, so that browsers may
// keep them for ever; the page is asked for again each time.
type console struct {
	version string
	page    []byte
	tag     string // the page's ETag
	assets  map[string][]byte
}

// newConsole makes the page. nats is the NATS address in its hints; "" = none is shown. auth gives it a field for a token.
func newConsole(nats string, auth bool) (*console, error) {
	c := &console{assets: make(map[string][]byte)}
	files, err := fs.ReadDir(consoleFiles, "console")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	sum := sha256.New()
	for _, f := range files {
		data, err := consoleFiles.ReadFile(path.Join("console", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", f.Name(), len(data), data)
		c.assets[f.Name()] = data
	}
	c.version = hex.EncodeToString(sum.Sum(nil)[:8])
	page, err := template.New("index.html").Parse(string(c.assets["index.html"]))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	delete(c.assets, "index.html")
	var out bytes.Buffer
	// Relative, so that the page works under a path of a proxy, too.
	if err := page.Execute(&out, map[string]any{"Assets": "console/" + c.version, "NATS": nats, "Auth": auth}); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.page = out.Bytes()
	tag := sha256.Sum256(c.page)
	c.tag = `"` + hex.EncodeToString(tag[:8]) + `"`
	return c, nil
}

func (c *console) getPage(ctx *fiber.Ctx) error {
	ctx.Set(fiber.HeaderContentSecurityPolicy, consolePolicy)
	ctx.Set(fiber.HeaderCacheControl, "no-cache")
	ctx.Set(fiber.HeaderETag, c.tag)
	if ctx.Fresh() {
		return ctx.SendStatus(fiber.StatusNotModified)
	}
	ctx.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return ctx.Send(c.page)
}

func (c *console) getAsset(ctx *fiber.Ctx) error {
	name := ctx.Params("file")
	data, ok := c.assets[name]
	if !ok {
		return fiber.ErrNotFound
	}
	ctx.Set(fiber.HeaderContentSecurityPolicy, consolePolicy)
	if ctx.Params("version") == c.version {
		ctx.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else { // the page came from a bridge of another version: a deploy is under way
		ctx.Set(fiber.HeaderCacheControl, "no-store")
	}
	ctx.Set(fiber.HeaderContentType, consoleTypes[path.Ext(name)])
	return ctx.Send(data)
}
