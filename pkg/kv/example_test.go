package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// A stock of tickets is counted down by compare-and-set, so that no ticket is sold twice by concurrent processes.
func Example() {
	if err := sell(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 left
	// 0 left
	// sold out
}

func sell(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: "1m"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	stream, err := b.JetStream().Stream(ctx, broker.ControlStream)
	if err != nil {
		return err
	}

	type stock struct {
		Left int `json:"left"`
	}
	stocks := kv.New(b.JetStream(), stream, kv.Config[stock]{Name: "stock", Prefix: "$KV." + broker.BucketControl + ".stock."})
	if _, err := stocks.Create(ctx, "opera", stock{Left: 2}); err != nil {
		return err
	}
	errSoldOut := errors.New("sold out")
	for {
		e, err := stocks.Change(ctx, "opera", func(e *kv.Entry[stock]) error {
			if e.Value.Left == 0 {
				return errSoldOut
			}
			e.Value.Left--
			return nil
		})
		if errors.Is(err, errSoldOut) {
			fmt.Println(err)
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(e.Value.Left, "left")
	}
}
