module github.com/coppice-go/coppice/supervisor/observer/browsertest

go 1.25.0

replace github.com/coppice-go/coppice => ../../..

require (
	github.com/chromedp/cdproto v0.160.0
	github.com/chromedp/chromedp v0.23.0
	github.com/coppice-go/coppice v0.0.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
)
