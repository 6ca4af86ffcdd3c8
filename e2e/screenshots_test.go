package e2e

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "folder for the screenshots of the documentation, made from more than a minute of events")

const maxScreenshot = 200_000 // bytes

// demo is a shop's events.
type demo struct{ *rand.Rand }

func (d demo) one(list ...string) string { return list[d.IntN(len(list))] }

func (d demo) event() string {
	switch n := d.IntN(20); {
	case n < 9:
		status := d.one("paid", "packed", "shipped")
		return fmt.Sprintf(`{"resource":"orders","type":%q,"id":%d,"payload":{"status":%q,"total":%d.%02d,"currency":"EUR","customer":%q,"items":%d},"meta":{"user":%q}}`,
			d.one("created", "updated", "updated", status), 1040+d.IntN(60), status, 9+d.IntN(890), d.IntN(100), d.one("Anna Berg", "Jonas Weiss", "Mira Kovač", "Li Wei"), 1+d.IntN(6), d.one("eva", "tom", "shop"))
	case n < 15:
		return fmt.Sprintf(`{"resource":"products","type":%q,"id":%d,"payload":{"name":%q,"price":%d,"stock":%d}}`,
			d.one("updated", "updated", "created", "deleted"), 1+d.IntN(60), d.one("Oak desk", "Floor lamp", "Wool rug", "Espresso cup", "Arm chair"), 9+d.IntN(400), d.IntN(50))
	case n < 17:
		return fmt.Sprintf(`{"resource":"products","type":"updated","ids":[%d,%d,%d],"payload":{"price":%d,"reason":"summer sale"},"meta":{"user":"eva"}}`,
			1+d.IntN(20), 21+d.IntN(20), 41+d.IntN(20), 5+d.IntN(45))
	case n < 18:
		return `{"resource":"products","type":"imported","payload":{"file":"catalogue-2026-11.csv","rows":1840}}`
	default:
		return fmt.Sprintf(`{"resource":"blog/posts","type":%q,"id":%q,"payload":{"title":"Release notes","tags":["news","engineering"],"draft":%t}}`,
			d.one("created", "updated"), d.one("hello-world", "release-notes", "über-uns"), d.IntN(2) == 0)
	}
}

func (d demo) publish(t *testing.T, b *bridge, n int, pause time.Duration) {
	t.Helper()
	for range n {
		if code, answer, err := b.do("POST", "/v1/events", d.event(), "Content-Type", "application/json", "X-Live-Origin", d.one("shop-api", "shop-api", "importer")); err != nil || code != 200 {
			t.Fatalf("publish: %d %s %v", code, answer, err)
		}
		time.Sleep(time.Duration(d.ExpFloat64() * float64(pause)))
	}
}

// The pictures of the documentation: `go test ./e2e -run Screenshots -args -screenshots ../docs/img` makes them anew.
func TestScreenshots(t *testing.T) {
	dir, events, pause := t.TempDir(), 30, time.Millisecond
	if *screenshots != "" {
		dir, events, pause = *screenshots, 500, 170*time.Millisecond
	}
	r := newConsoleRig(t)
	d := demo{rand.New(rand.NewPCG(4, 2))}
	d.publish(t, r.bridge, 40, 0)
	p := blankTab(t, r.browser, r.addr)
	p.do(chromedp.EmulateViewport(1280, 800, chromedp.EmulateScale(1.5)))
	p.scheme("dark")
	p.open("/")
	d.publish(t, r.bridge, events, pause)
	p.wait(fmt.Sprintf(`text("#received") == %q`, fmt.Sprint(40+events)))
	const order = `(all(".item .row").slice(2).find((r) => r.querySelector(".resource").textContent == "orders" && r.querySelector(".more").textContent).click(), true)`
	eval[bool](p, order)
	shoot(p, dir, "console-dark.png")

	eval[bool](p, `(document.querySelector(".item.open .row").click(), true)`)
	p.scheme("light")
	p.click("#cable")
	p.wait(`text("#state") == "Offline"`)
	d.publish(t, r.bridge, 4, 0)
	p.click("#cable")
	p.wait(`text("#state") == "Live" && text(".point").includes("replayed")`)
	d.publish(t, r.bridge, 5, pause)
	p.click("#publish-open")
	p.fill("#p-resource", "products")
	p.fill("#p-type", "updated")
	p.fill("#p-ids", "41, 42")
	p.fill("#p-payload", "{\n  \"price\": 10,\n  \"reason\": \"summer sale\"\n}")
	p.fill("#p-meta", `{"user":"eva"}`)
	p.click("#publish-form button[type=submit]")
	p.wait(`document.querySelector(".ack.stored")`)
	shoot(p, dir, "console-light.png")
}

// shoot writes what the page looks like now.
func shoot(p *tab, dir, name string) {
	p.t.Helper()
	eval[bool](p, `(document.activeElement.blur(), new Promise((done) => setTimeout(done, 1500, true)))`) // new rows have faded in, the plot has moved on
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted(img)); err != nil {
		p.t.Fatal(err)
	}
	if out.Len() > maxScreenshot {
		p.t.Errorf("%s has %d bytes, more than %d", name, out.Len(), maxScreenshot)
	}
	if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("%s: %d bytes", name, out.Len())
}

// paletted is the picture in 256 colours, which takes half the space: the most frequent ones that differ.
func paletted(img image.Image) *image.Paletted {
	b := img.Bounds()
	count, coarse := map[color.Color]int{}, map[color.RGBA]int{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := img.At(x, y)
			count[c]++
			coarse[roughly(c)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int {
		return cmp.Or(coarse[roughly(b)]-coarse[roughly(a)], count[b]-count[a])
	})
	seen := map[color.RGBA]bool{}
	colours = slices.DeleteFunc(colours, func(c color.Color) bool {
		again := seen[roughly(c)]
		seen[roughly(c)] = true
		return again && count[c] < 500
	})
	out := image.NewPaletted(b, color.Palette(colours[:min(len(colours), 256)]))
	nearest := map[color.Color]uint8{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := img.At(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(out.Palette.Index(c))
				nearest[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	return out
}

// roughly is a colour with 16 steps for each part.
func roughly(c color.Color) color.RGBA {
	r, g, b, _ := c.RGBA()
	return color.RGBA{R: uint8(r >> 12), G: uint8(g >> 12), B: uint8(b >> 12)}
}
