// Package browsertest tests the page of an observer in a real browser: Debian's Chromium, or any other that is found as
// chromium, chromium-browser, google-chrome or by the variable CHROME. Without one the tests are skipped.
//
//	apt-get install -y chromium
//	go test ./...
//	go test -run Pictures -pictures /tmp/pictures .
//	go run ./demo
//
// The last line serves the page of the shop that the pictures show, until it is interrupted.
//
// It is a module of its own, because it needs chromedp to drive the browser.
package browsertest
