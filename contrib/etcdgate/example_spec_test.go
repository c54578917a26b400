package etcdgate_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/coppice-go/coppice/contrib/etcdgate"
)

// What etcdctl get --prefix shows while a lease is held, and what a member that stands by
// learns.
func ExampleSpec() {
	dir, err := os.MkdirTemp("", "etcd-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := embed.NewConfig()
	config.Dir = dir
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	for _, urls := range []*[]url.URL{&config.ListenClientUrls, &config.ListenPeerUrls} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		*urls = []url.URL{{Scheme: "http", Host: l.Addr().String()}}
		l.Close()
	}
	config.AdvertiseClientUrls, config.AdvertisePeerUrls = config.ListenClientUrls, config.ListenPeerUrls
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		log.Fatal(err)
	}
	defer etcd.Close()
	<-etcd.Server.ReadyNotify()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{config.ListenClientUrls[0].Host}, Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	leases := etcdgate.New(client, etcdgate.Spec{
		TTL:    2500 * time.Millisecond, // etcd counts in seconds
		Prefix: "ops/leases",
		Member: "host-1",
	})
	fmt.Println("TTL", leases.TTL())
	lease, err := leases.Acquire(ctx, "/shop/billing")
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Get(ctx, "ops/", clientv3.WithPrefix())
	if err != nil {
		log.Fatal(err)
	}
	for _, kv := range resp.Kvs {
		fmt.Printf("%s %s\n", kv.Key, kv.Value)
	}
	holder, err := leases.Holder(ctx, "/shop/billing")
	fmt.Println(holder.ID, holder.Token == lease.Token(), err)
	fmt.Println(lease.Release(ctx))
	holder, err = leases.Holder(ctx, "/shop/billing")
	fmt.Println(holder.ID == "", err)
	// Output:
	// TTL 3s
	// ops/leases/shop/billing host-1
	// host-1 true <nil>
	// <nil>
	// true <nil>
}
