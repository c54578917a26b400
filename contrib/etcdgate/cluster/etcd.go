//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// An engine is an etcd with three members, in this process, with the defaults of etcd.
type engine struct {
	members []*embed.Etcd
}

func startEtcd(dir string) (*engine, error) {
	var configs []*embed.Config
	var initial []string
	for i := range 3 {
		config := embed.NewConfig()
		config.Name = fmt.Sprintf("etcd%d", i)
		config.Dir = filepath.Join(dir, config.Name)
		config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		for _, urls := range []*[]url.URL{&config.ListenClientUrls, &config.ListenPeerUrls} {
			address, err := freeAddress()
			if err != nil {
				return nil, err
			}
			*urls = []url.URL{{Scheme: "http", Host: address}}
		}
		config.AdvertiseClientUrls, config.AdvertisePeerUrls = config.ListenClientUrls, config.ListenPeerUrls
		configs = append(configs, config)
		initial = append(initial, config.Name+"="+config.ListenPeerUrls[0].String())
	}
	e := &engine{}
	for _, config := range configs {
		config.InitialCluster = strings.Join(initial, ",")
		member, err := embed.StartEtcd(config)
		if err != nil {
			e.stop()
			return nil, fmt.Errorf("etcd: %w", err)
		}
		e.members = append(e.members, member)
	}
	for _, member := range e.members {
		select {
		case <-member.Server.ReadyNotify():
		case err := <-member.Err():
			e.stop()
			return nil, fmt.Errorf("etcd: %w", err)
		case <-time.After(time.Minute):
			e.stop()
			return nil, errors.New("etcd: not ready within a minute")
		}
	}
	return e, nil
}

// addresses returns where clients connect.
func (e *engine) addresses() (all []string) {
	for _, member := range e.members {
		config := member.Config()
		all = append(all, config.ListenClientUrls[0].Host)
	}
	return all
}

func (e *engine) stop() {
	for _, member := range e.members {
		member.Server.HardStop()
		member.Close()
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
