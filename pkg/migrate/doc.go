// Package migrate imports exports of the Cloudflare system that this one replaces: accounts, feedback and saved images,
// each exported as one KV namespace. It alone knows the old formats; the stores that it fills offer an Import call and
// nothing else, so that this package can be removed with `api import` once nobody migrates any more.
//
// Every import may be repeated: existing entries stay as they are. It holds one entry of an export at a time where it can,
// and writes nothing of what an entry says into an error or a result.
package migrate
