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

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/contrib/etcdgate"
	"github.com/coppice-go/coppice/supervisor"
)

// startEtcd starts an etcd in this process. A real program has its address from its
// configuration.
func startEtcd() (address string, stop func()) {
	dir, err := os.MkdirTemp("", "etcd-")
	if err != nil {
		log.Fatal(err)
	}
	free := func() url.URL {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		defer l.Close()
		return url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.ListenClientUrls, config.ListenPeerUrls = []url.URL{free()}, []url.URL{free()}
	config.AdvertiseClientUrls, config.AdvertisePeerUrls = config.ListenClientUrls, config.ListenPeerUrls
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		log.Fatal(err)
	}
	<-etcd.Server.ReadyNotify()
	return config.ListenClientUrls[0].Host, func() {
		etcd.Close()
		_ = os.RemoveAll(dir)
	}
}

// Two processes, each with a gate. The leader writes by transactions with a Guard. After it
// has handed over, its writes are refused.
func Example() {
	address, stop := startEtcd()
	defer stop()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	write := func(ctx context.Context, value string) error {
		ctx = context.WithoutCancel(ctx) // to show what Guard does after ctx has ended
		resp, err := client.Txn(ctx).
			If(etcdgate.Guard(ctx, client)).
			Then(clientv3.OpPut("bills/last", value)).
			Commit()
		if err == nil && !resp.Succeeded {
			err = gate.ErrStale
		}
		return err
	}
	leads := make(chan context.Context)
	process := func(name string) *supervisor.Supervisor {
		g := gate.New(gate.Spec{
			Name:    "/shop/billing",
			Elector: etcdgate.New(client, etcdgate.Spec{TTL: 15 * time.Second, Member: name}),
			Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				leads <- ctx
				<-ctx.Done()
				return nil
			},
		})
		return supervisor.New(supervisor.Spec{Name: name, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
	}
	ctx := context.Background()
	a, b := process("a"), process("b")
	_ = a.Start(ctx)
	first := <-leads
	fmt.Println("a writes:", write(first, "17, by a"))
	_ = b.Start(ctx)
	_ = a.Stop(ctx)
	second := <-leads
	fmt.Println("b writes:", write(second, "18, by b"))
	fmt.Println("a writes late:", write(first, "18, by a"))
	last, err := client.Get(ctx, "bills/last")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", last.Kvs[0].Value)
	_ = b.Stop(ctx)
	// Output:
	// a writes: <nil>
	// b writes: <nil>
	// a writes late: stale token: another has led since
	// 18, by b
}
