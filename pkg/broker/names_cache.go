package broker

// CacheSubject is the key of the job that generates, or has generated, the result of identical requests of an owner. key identifies the
// requests, of which it must not disclose anything.
func CacheSubject(owner, key string) string { return kvSubject(BucketCache, owner+"."+key) }

// OwnerCacheSubject matches the keys of all requests of an owner.
func OwnerCacheSubject(owner string) string { return CacheSubject(owner, "*") }
