package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	consumerMagic   = 22
	consumerVersion = 2
	// maxAhead is how far in the future the time of a delivery may be. Such a message would not be redelivered before that
	// time.
	maxAhead = 24 * time.Hour
)

// checkConsumerState returns an error if the state of a consumer is damaged. The file has no checksum, so its invariants are
// checked: acknowledged messages were delivered, and pending ones are between the acknowledged and the delivered ones.
func checkConsumerState(buf []byte, now time.Time) error {
	if len(buf) < 2 || buf[0] != consumerMagic {
		return errors.New("not the state of a consumer")
	}
	if buf[1] != consumerVersion {
		return fmt.Errorf("unknown version %d", buf[1])
	}
	d := decoder{buf: buf[2:]}
	ackConsumer, ackStream := d.uint(), d.uint()
	delivered, deliveredStream := d.uint(), d.uint()
	if d.failed || ackConsumer > delivered || ackStream > deliveredStream || deliveredStream >= 1<<63 {
		return errors.New("more is acknowledged than was delivered")
	}
	if pending := d.uint(); pending > 0 {
		base := d.int()
		for range pending {
			// The second number is the sequence of the consumer, which is not checked.
			stream, _, ago := d.uint(), d.uint(), d.int()
			if d.failed {
				break
			}
			if stream == 0 || stream > deliveredStream-ackStream {
				return errors.New("a pending message was never delivered")
			}
			if time.Unix(base-ago, 0).After(now.Add(maxAhead)) {
				return errors.New("a pending message was delivered in the future")
			}
		}
	}
	redelivered := d.uint()
	for range redelivered {
		sequence, count := d.uint(), d.uint()
		if d.failed {
			break
		}
		if count == 0 || sequence+ackStream > deliveredStream {
			return errors.New("a redelivered message was never delivered")
		}
	}
	if d.failed {
		return errors.New("it is truncated")
	}
	if len(d.buf) > 0 {
		return fmt.Errorf("%d bytes too many", len(d.buf))
	}
	return nil
}

// decoder reads variable-length integers until one is invalid.
type decoder struct {
	buf    []byte
	failed bool
}

func (d *decoder) uint() uint64 { return next(d, binary.Uvarint) }

func (d *decoder) int() int64 { return next(d, binary.Varint) }

func next[T int64 | uint64](d *decoder, decode func([]byte) (T, int)) T {
	v, n := decode(d.buf)
	if n <= 0 {
		d.failed, d.buf = true, nil
		return 0
	}
	d.buf = d.buf[n:]
	return v
}
