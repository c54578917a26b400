package browsertest

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	pictures = flag.String("pictures", "", "directory for pictures of each view, to look at")
	sessions = flag.Int("sessions", 100_000, "sessions of the shop in the pictures; one in 25 fails")
)

func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("takes pictures to look at: -pictures DIR")
	}
	s := shopInTrouble(t, *sessions)
	if err := os.MkdirAll(*pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	warm := open(t, s.address, look{})
	warm.waitFor(".leg", "hung") // by then all has gone wrong that will
	warm.waitFor(".leg", "gave up")
	for _, shot := range []struct {
		name, view, ready string
		click, then       string // before the picture, and what shows that it worked
	}{
		{"overview", "overview", `.cause`, "", ""},
		{"cause", "overview", `.cause`, `.cause summary`, `.cause[open]`},
		{"tree", "tree", `.tr`, "", ""},
		{"fold", "tree", `.fold`, `.fold`, `.pager`},
		{"trouble", "tree?trouble=1", `.tr`, "", ""},
		{"waiting", "tree?path=/shop/exporter", `.det section`, "", ""},
		{"hung", "tree?path=/shop/search/suggest", `.det section`, `[data-do=goroutines]`, `.stack`},
		{"abandoned", "tree?path=/shop/search/index", `.det section`, `.det details summary`, `.det details[open]`},
		{"ask", "tree?path=/shop/sessions", `.det section`, `.acts button`, `#ask[open]`},
		{"time", "time", `.lane`, "", ""},
		{"past", "time", `.ev`, `[data-do=step]`, `.bar.past`},
	} {
		for _, size := range []struct {
			name          string
			width, height int
		}{{"desktop", 1440, 900}, {"phone", 390, 844}} {
			for scheme, dark := range map[string]bool{"light": false, "dark": true} {
				p := open(t, s.address+"#/"+shot.view, look{width: size.width, height: size.height, dark: dark})
				p.wait(`document.querySelector('` + shot.ready + `')`)
				if shot.click != "" {
					p.click(shot.click)
					p.wait(`document.querySelector('` + shot.then + `')`)
				}
				full, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
				p.must(err)
				picture, err := small(full)
				p.must(err)
				name := filepath.Join(*pictures, shot.name+"-"+size.name+"-"+scheme+".png")
				if err := os.WriteFile(name, picture, 0o644); err != nil {
					t.Fatal(err)
				}
				p.close()
			}
		}
	}
}

// small makes a picture small enough for the documentation: it has the 256 colours that are most frequent in it.
func small(full []byte) ([]byte, error) {
	source, err := png.Decode(bytes.NewReader(full))
	if err != nil {
		return nil, err
	}
	bounds := source.Bounds()
	count := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[color.RGBAModel.Convert(source.At(x, y)).(color.RGBA)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range frequent[:min(256, len(frequent))] {
		palette = append(palette, c)
	}
	reduced := image.NewPaletted(bounds, palette)
	draw.Draw(reduced, bounds, source, bounds.Min, draw.Src)
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced)
	return out.Bytes(), err
}
