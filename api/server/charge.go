package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// charged makes a job of a spec if the caller's quota allows it. What makes no job is not charged: neither what is refused
// nor what repeats an earlier submission under its key, which is answered though nothing is left.
func (s *Server) charged(ctx context.Context, c *gin.Context, who caller, spec *job.Spec, keyed bool) (*job.Snapshot, bool, error) {
	present, gone := whileThere(ctx, c)
	defer gone()
	key := s.quotaKey(who, quota.GroupOf(spec.Kind))
	if !s.deps.Quota.Limited(key) {
		return s.accept(present, spec, keyed)
	}
	// What is refused for another reason is not charged to begin with.
	leave, err := s.enter(present, spec, keyed)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	end, err := s.deps.Quota.Turn(present, key)
	if err != nil {
		return nil, false, err
	}
	defer end()
	if keyed {
		if snap, err := s.earlier(present, who, spec); snap != nil || err != nil {
			return snap, snap != nil, err
		}
	}
	// From here on it does not matter whether the caller is still there: who hangs up at the right moment would get a job and
	// its charge back.
	bill, err := s.deps.Quota.Charge(ctx, key, spec.ID, spec.Units())
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		if keyed {
			// Another process may have made the job meanwhile, with what was left.
			if snap, err := s.earlier(ctx, who, spec); snap != nil || err != nil {
				return snap, snap != nil, err
			}
		}
		return nil, false, s.refused(c, who, refusal)
	}
	if err != nil {
		return nil, false, err
	}
	spec.Charge = bill.Charge
	snap, replayed, err := s.deps.Jobs.Submit(ctx, spec, keyed)
	var undone error
	switch {
	case err != nil && !neverMade(err):
		undone = bill.Withdraw(ctx, spec)
	case err != nil || replayed:
		undone = bill.Cancel(ctx)
	default:
		s.showUsage(c, bill.Usage)
	}
	if undone != nil {
		// The caller has an answer of its own, and has lost a little of its quota.
		s.deps.Log.WarnContext(ctx, "cannot refund the quota", slog.Any("error", undone))
	}
	return snap, replayed, err
}

// neverMade reports whether an error says that a submission has made no job. After others it is not known.
func neverMade(err error) bool {
	for _, refusal := range []error{queue.ErrFull, queue.ErrNoRoom, jobs.ErrKeyReused} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// earlier returns the job that was made under the key of a spec, so that its repetition need not be charged and given back,
// which would stand in the way of others; nil when there is none. It costs two requests then.
func (s *Server) earlier(ctx context.Context, who caller, spec *job.Spec) (*job.Snapshot, error) {
	// A job leaves the queue once its record is there, so that one of the two has it.
	_, err := s.deps.Queue.FindLeader(ctx, who.owner, spec.ID)
	if errors.Is(err, queue.ErrNotFound) {
		_, err = s.deps.Store.RecordLeader(ctx, who.owner, spec.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	snap, err := s.deps.Jobs.Read(ctx, []string{who.owner}, spec.ID)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return nil, nil // It was deleted meanwhile.
	case err != nil:
		return nil, err
	case snap.Spec.Fingerprint != spec.Fingerprint:
		return nil, jobs.ErrKeyReused
	}
	return snap, nil
}

// refused returns the problem of somebody who asks for more than is left.
func (s *Server) refused(c *gin.Context, who caller, r *quota.Refusal) error {
	s.deps.Metrics.QuotaRefusals.WithLabelValues(r.Policy(), string(who.lane)).Inc()
	s.showUsage(c, []quota.Usage{r.Usage})
	wait, left := r.Wait(s.deps.Now()), r.Remaining()
	p := &problem{
		code: codeRateLimited, reason: refusalReason(r), retryAfter: wait, extra: map[string]any{"retry_after": wait},
		args: map[string]string{"max": strconv.Itoa(r.Limit), "left": strconv.Itoa(left), "asked": strconv.Itoa(r.Asked)},
	}
	if r.Window != quota.WindowMinute {
		p.code, p.extra = codeQuotaExceeded, map[string]any{"remaining": left, "total": r.Limit}
	}
	return p
}

// refusalReason picks the sentence of a refusal.
func refusalReason(r *quota.Refusal) string {
	var parts []string
	if r.Window == quota.WindowAddress {
		parts = append(parts, "address")
	}
	switch {
	case r.Group == quota.GroupText:
		// A text is one unit: it never fits in part.
		parts = append(parts, "text")
	case r.Asked > r.Limit:
		parts = append(parts, "never")
	case r.Remaining() > 0:
		parts = append(parts, "some")
	}
	return strings.Join(parts, "_")
}

// quotaKey returns the names under which a caller is counted in a group: a member by its id, anybody else by its address,
// since a cookie is thrown away more easily; and all of them by their address once more. They tell nobody who that is. A
// version before groups reads and changes its own names only, which are those of the media group.
func (s *Server) quotaKey(who caller, group quota.Group) quota.Key {
	name := func(kind, value string) string { return counterName(s.keys.usage, group, kind, value) }
	key := quota.Key{Group: group, Lane: who.lane, Owner: name("guest", who.address), Address: name("address", who.address)}
	if who.lane == job.LaneMember {
		key.Owner = name("member", who.owner)
	}
	return key
}

// counterName returns the name of a counter of a group; kind says what value is.
func counterName(key []byte, group quota.Group, kind, value string) string {
	parts := []string{kind, value}
	if group == quota.GroupText {
		parts = append([]string{"text"}, parts...)
	}
	return base64.RawURLEncoding.EncodeToString(sum(key, parts...)[:16])
}

// household cuts an address to what belongs to one household: all of IPv4, 64 bits of IPv6.
func household(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return network(address)
}

// showUsage sets the header fields of draft-ietf-httpapi-ratelimit-headers-11.
func (s *Server) showUsage(c *gin.Context, list []quota.Usage) {
	if len(list) == 0 {
		return
	}
	now := s.deps.Now()
	var policies, left []string
	for _, u := range list {
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%d", u.Policy(), u.Limit, int(u.Length/time.Second)))
		left = append(left, fmt.Sprintf("%q;r=%d;t=%d", u.Policy(), u.Remaining(), u.Wait(now)))
	}
	c.Header("RateLimit-Policy", strings.Join(policies, ", "))
	c.Header("RateLimit", strings.Join(left, ", "))
}
