module github.com/coppice-go/coppice/supervisor/observer/browsertest

go 1.25.0

replace github.com/coppice-go/coppice => ../../..
