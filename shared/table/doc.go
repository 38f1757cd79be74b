// Package table is the one DynamoDB table and the one S3 bucket: their keys, rows and
// schema, the clients with their retries, and how a store's errors become problems. It
// knows no action: what is written when, and in which order, is in packages outputs, jobs,
// uploads and cleanup, which alone import it.
//
// # How far one table goes
//
// DynamoDB gives each partition 1,000 write units and 3,000 read
// units a second, and splits one by itself only where its keys do not grow with time
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html).
// An output is written by three operations in its life, each of which writes its entry in
// the timeline: add, soft delete, hard delete. The rates below are sustained;
// test/bench/scale drives the keys with skewed tenants and prints what becomes hot first.
//
//   - A tenant adds up to 1,000 outputs a second: each draws its pk from the one row of
//     counters. Nothing else of a tenant is as narrow. Another tenant has another row.
//   - Its timeline takes 1,000 changes a second and shard. The default of four shards is
//     the least power of two that takes the three changes of every output of a tenant
//     at that rate. pks are drawn one after the other, so that the shards are even. A
//     list of all of a tenant's outputs asks every shard once a page.
//   - A job takes 500 adds a second: its partition holds the names, each written in a
//     transaction (two units). Its readers have 3,000 read units: a list of a job reads
//     one for every 4 KB, about seven outputs; one of 10,000 outputs 1,400, so that it can
//     be listed twice a second. A large job is better listed by pages of the timeline.
//   - The queue takes 16 × 1,000 units a second of all tenants together, and an add three
//     of them: 5,333 adds a second are the service's limit in one table.
//   - Adds of a job share no row but that of the counters, which is written outside of the
//     transaction: they conflict only where two add the same name. Of two changes of the
//     same output one is cancelled and made again, ten times at most.
//
// What is beyond a limit is throttled, retried by the SDK for about two seconds, and then
// answered 503 with Retry-After. When a process has used up its budget of retries, it answers
// so after the first attempt, until calls succeed again.
package table
