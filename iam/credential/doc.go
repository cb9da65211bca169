// Package credential makes and verifies what subjects prove their identity with:
// IAM tokens, the assertions that authorized keys sign, and the keys themselves;
// and it seals the secrets that are replicated.
//
// It holds no state but a cache. Who exists, which keys are theirs, what has been
// revoked, suspended or deleted, and what time it is, the caller knows: functions
// that need a key are given a way to look it up. Every refusal is an error that
// says what is wrong and repeats no secret.
package credential
