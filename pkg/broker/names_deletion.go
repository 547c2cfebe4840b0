package broker

// DeletionSubject is where it is kept that an account is being deleted, by the owner of its jobs. It is no account, and
// UsersSubject does not match it.
func DeletionSubject(owner string) string { return kvSubject(BucketUsers, "deleted."+owner) }

// DeletionsSubject matches every account that is being deleted.
func DeletionsSubject() string { return DeletionSubject("*") }

// VerificationSubject is where the latest token lies that confirms the address of an account.
func VerificationSubject(key string) string { return kvSubject(BucketResets, "verify."+key) }

// SignupsSubject is where the latest sign-ups of one place are counted.
func SignupsSubject(from string) string { return kvSubject(BucketResets, "signups."+from) }

// OwnerResultsSubject matches the records of an owner, their media and the marks of deleted jobs.
func OwnerResultsSubject(owner string) string { return kvSubject(BucketResults, owner+".>") }

// OwnerMediaSubject matches the media of all jobs of an owner, and not their records.
func OwnerMediaSubject(owner string) string { return kvSubject(BucketResults, owner+".*.>") }

// OwnerProgressSubject matches the progress of all jobs of an owner.
func OwnerProgressSubject(owner string) string { return kvSubject(BucketProgress, owner+".*") }

// WhoUsageSubject matches every counter of one name in a window, whatever its bucket.
func WhoUsageSubject(window, who string) string { return UsageSubject(window, who, "*") }
