package main

// The tests that must notice, by package.
func domain(name, test string) killer { return killer{"./shared/" + name, test} }
func tokens(test string) killer       { return killer{"./test/tokens", test} }
func edge(test string) killer         { return killer{"./shared/api", test} }
func storm(test string) killer        { return killer{"./test/robustness/storm", test} }
func faults(test string) killer       { return killer{"./test/robustness/faults", "TestFaults/" + test} }

// mutants is the table, by what is broken.
func mutants() []mutant {
	return []mutant{
		// Conditions.
		{
			"adding does not ask whether the name is free", "shared/outputs/add.go",
			`Put(t.Put(row.ByName(tenant)).If("attribute_not_exists('PK')"))`,
			`Put(t.Put(row.ByName(tenant)))`, domain("outputs", "TestSixteenAddsOfOneName"),
		},
		{
			"adding does not ask whether the cleanup has its intent", "shared/outputs/add.go",
			`s.t.Delete(intent.Key).If("attribute_exists('PK') AND attribute_not_exists('claimed')")`, `s.t.Delete(intent.Key)`, domain("cleanup", "TestCleanupWhileAdding"),
		},
		{
			"a deletion time is written over any version", "shared/outputs/change.go",
			"Set(\"v\", o.version+1).\n\t\tIf(\"'v' = ?\", o.version)", "Set(\"v\", o.version+1)", domain("outputs", "TestReinstateAgainstHardDelete"),
		},
		{
			"a job is made over another one", "shared/jobs/jobs.go",
			`s.t.Put(job.Row(tenant)).If("attribute_not_exists('PK')")`, `s.t.Put(job.Row(tenant))`, domain("jobs", "TestCreateJob"),
		},
		{
			"a job may be given any key", "shared/jobs/jobs.go",
			`s.t.Lift(ctx, tenant, table.JobCounter, n.PK, MaxPKAhead, n.Creator.By())`, `s.t.Lift(ctx, tenant, table.JobCounter, n.PK, auth.MaxPK, n.Creator.By())`, domain("jobs", "TestExplicitKeyAhead"),
		},
		{
			"a node works two jobs", "shared/jobs/steps.go",
			`If("attribute_not_exists('current_job') OR 'current_job' = ?", pk)`, `If("attribute_not_exists('current_job') OR 'current_job' <> ?", 0)`, domain("jobs", "TestJobSteps"),
		},
		{
			"a completion does not ask whether the upload is open", "shared/uploads/complete.go",
			`u.If("'state' = ?", StateOpen)`, `u.If("'state' <> ?", "")`, domain("uploads", "TestUploadRaces"),
		},
		{
			"an add that was refused leaves its intent to a late delivery", "shared/outputs/add.go",
			`claimed, err := s.t.Claim(ctx, intent)`, `claimed, err := !intent.Claimed, error(nil)`, domain("uploads", "TestLateDelivery"),
		},
		{
			"a completion that was refused may be delivered late", "shared/uploads/complete.go",
			`return u.If("attribute_not_exists('refused')")`, `return u`, domain("uploads", "TestLateDelivery"),
		},
		{
			"two first writes of a user give two pks", "shared/users/users.go",
			`Put(t.Put(row).If("attribute_not_exists('PK')")).`, `Put(t.Put(row)).`, domain("users", "TestFirstWritesAtOnce"),
		},

		// Guards and states.
		{
			"outputs are added to a finished job", "shared/jobs/job.go",
			`case j.Finished():`, `case false:`, domain("outputs", "TestAddRefuses"),
		},
		{
			"outputs are added to a job that was not started", "shared/jobs/job.go",
			`case !j.Started():`, `case false:`, domain("outputs", "TestAddRefuses"),
		},

		// Intents and tombstones.
		{
			"adding stores bytes without an intent", "shared/outputs/add.go",
			`if err := s.t.Put(intent).Run(bothCtx); err != nil {`, `if err := bothCtx.Err(); err != nil {`, domain("cleanup", "TestCrashedAdd"),
		},
		{
			"a hard delete leaves no tombstone", "shared/outputs/change.go",
			".\n\t\t\t\tPut(s.t.Put(table.Queued(table.TombstoneKind, p.Tenant, o.object, s.t.Now())))", "", domain("cleanup", "TestCrashedHardDelete"),
		},
		{
			"a hard delete keeps the bytes", "shared/outputs/change.go",
			`tenantguard.Breached(s.t.DeleteObject(ctx, p.Tenant, o.object))`, `tenantguard.Breached(nil)`, domain("outputs", "TestReinstateAgainstHardDelete"),
		},
		{
			"the cleanup has no patience", "shared/cleanup/cleanup.go",
			`c.t.Now().Add(table.Grace-grace)`, `c.t.Now().Add(table.Grace)`, domain("cleanup", "TestCrashedAdd"),
		},
		{
			"the cleanup keeps the bytes", "shared/cleanup/rows.go",
			"\tif len(rows) == 0 {\n\t\treturn failed", "\tif len(rows) >= 0 {\n\t\treturn failed", domain("cleanup", "TestCrashedAdd"),
		},
		{
			"a queue row goes before the last late write", "shared/cleanup/rows.go",
			`err == nil && r.t.Now().Before(at)`, `err == nil && r.t.Now().Before(at.Add(-table.Grace))`, domain("cleanup", "TestLatePut"),
		},
		{
			"a late write is not waited for as long as a PUT may last", "shared/table/queue.go",
			`Grace = LinkLife + MaxPut + skew`, `Grace = LinkLife + skew`, domain("cleanup", "TestGrace"),
		},
		{
			"one poisoned row stops its partition", "shared/cleanup/cleanup.go",
			"if take(e) {\n\t\t\t\t\treturn", "if take(e) || e.poison != nil {\n\t\t\t\t\treturn", domain("cleanup", "TestPoison"),
		},
		{
			"a row that failed is due again at once", "shared/cleanup/rows.go",
			`min(firstRetry<<min(attempts-1, 10), lastRetry)`, `min(0<<min(attempts-1, 10), lastRetry)`, domain("cleanup", "TestPoison"),
		},
		{
			"a multipart upload that no row names stays", "shared/uploads/abort.go",
			`ended.Multipart == "" || ended.Multipart == noMultipart`, `true`, domain("uploads", "TestBegunTwice"),
		},
		{
			"a throttled tenant is tried to the end", "shared/cleanup/rows.go",
			`if r.isRefused(tenant) || ctx.Err() != nil {`, `if r.isRefused("") || ctx.Err() != nil {`, domain("cleanup", "TestThrottledTenant"),
		},
		{
			"a completion takes no lease", "shared/uploads/verify.go",
			"if err := s.lease(ctx, row); err != nil {", "if err := error(nil); err != nil {", domain("uploads", "TestCompleteWhileAnother"),
		},
		{
			"a lease is for ever", "shared/uploads/lease.go",
			`return row.Completing > leaseOf(s.t.Now(), lastHolder)`, `return row.Completing != ""`, domain("uploads", "TestLease"),
		},
		{
			"an upload that S3 lost stays open", "shared/uploads/verify.go",
			`return s.lose(ctx, tenant, row)`, `return errAgain`, domain("uploads", "TestLost"),
		},

		// Tenants.
		{
			"outputs have keys without the tenant", "shared/table/keys.go",
			`tenantPrefix(tenant) + "#O#" +`, `tenantPrefix("") + "#O#" +`, domain("outputs", "TestLifeOfAnOutput"),
		},
		{
			"jobs have keys without the tenant", "shared/table/keys.go",
			`tenantPrefix(tenant) + "#J#" +`, `tenantPrefix("") + "#J#" +`, domain("jobs", "TestCreateJob"),
		},
		{
			"the timeline has keys without the tenant", "shared/table/keys.go",
			`tenantPrefix(tenant) + "#S" +`, `tenantPrefix("") + "#S" +`, domain("outputs", "TestList"),
		},
		{
			"idempotency keys have keys without the tenant", "shared/table/keys.go",
			`tenantPrefix(tenant) + "#I#" +`, `tenantPrefix("") + "#I#" +`, domain("idempotency", "TestKeysApart"),
		},
		{
			"the tenant guard lets every row through", "shared/tenantguard/caller.go",
			`return c.partition(text(key["PK"]))`, `return text(key["PK"]) != ""`, killer{"./shared/tenantguard", "TestTenantRefuses"},
		},
		{
			"the tenant guard lets every object through", "shared/tenantguard/caller.go",
			`if key == nil || !within(*key, "t/", string(c), '/') {`, `if key == nil || len(*key) < len("t/")+len(c)+1 {`, killer{"./shared/tenantguard", "TestTenantRefuses"},
		},
		{
			"a cursor is good in every tenant", "shared/filter/cursor.go",
			"\n\th.Write([]byte(tenant))", "\n\t_ = tenant", killer{"./shared/filter", "TestCursorRefused"},
		},

		// Claims.
		{
			"a token's signature is not verified", "shared/token/token.go",
			`if err := method(t.alg).Verify(t.signed, t.signature, public); err != nil {`,
			`if err := method(t.alg).Verify(t.signed, t.signature, public); err != nil && public == nil {`, tokens("TestHostile"),
		},
		{
			"any issuer will do", "shared/token/claims.go",
			`!ok || iss != v.cfg.Issuer`, `!ok || iss == ""`, tokens("TestHostile"),
		},
		{
			"any audience will do", "shared/token/claims.go",
			`if !slices.Contains(audiences, v.cfg.Audience) {`, `if len(audiences) == 0 {`, tokens("TestHostile"),
		},
		{
			"a refresh token is an access token", "shared/token/claims.go",
			`case !text || use == "" || !slices.Contains(v.cfg.Uses, use):`, `case !text || use == "":`, tokens("TestSentences"),
		},
		{
			"the inactive are let in", "shared/token/claims.go",
			`!ok || !active {`, `!ok && !active {`, tokens("TestSentences"),
		},
		{
			"critical extensions are ignored", "shared/token/parse.go",
			`[]string{"crit", "jku",`, `[]string{"jku",`, tokens("TestHostile"),
		},
		{
			"the owner of a job is any node", "shared/auth/auth.go",
			`return p.Node != 0 && (!on.Read || on.Owner == p.Node)`, `return p.Node != 0`, killer{"./shared/auth", "TestMay"},
		},
		{
			"any node may be claimed", "shared/api/handle.go",
			`if err != nil || !p.Grants(node) {`, `if err != nil {`, edge("TestHandleChecksInOrder"),
		},

		// Expiry.
		{
			"expired tokens are good", "shared/token/claims.go",
			`if !now.Before(exp) {`, `if now.Before(exp.Add(-1e6 * Leeway)) {`, tokens("TestSentences"),
		},
		{
			"a token outlives itself in the gateway's cache", "shared/api/handle.go",
			`if !rec.now.Before(p.Expires) {`, `if p.Expires.IsZero() {`, edge("TestHandleChecksInOrder"),
		},
		{
			"an upload never expires", "shared/uploads/upload.go",
			`r.State == StateOpen && !s.t.Now().Before(expires):`, `r.State == StateOpen && expires.IsZero():`, domain("uploads", "TestIncomplete"),
		},

		// Checksums.
		{
			"parts may be missing", "shared/uploads/verify.go",
			`if len(missing)+len(wrong) > 0 {`, `if len(wrong) > 0 {`, domain("uploads", "TestIncomplete"),
		},
		{
			"a part may have another checksum", "shared/uploads/verify.go",
			`named && claimed != *p.SHA256 {`, `named && claimed == "" {`, domain("uploads", "TestIncomplete"),
		},
		{
			"a part may have another size", "shared/uploads/verify.go",
			`if p.Size != size || p.SHA256 == nil`, `if size == 0 || p.SHA256 == nil`, domain("uploads", "TestPartOfAnotherSize"),
		},
		{
			"content of one part may have another checksum", "shared/uploads/verify.go",
			`claimed != "" && claimed != sum`, `claimed != "" && sum == ""`, domain("uploads", "TestIncomplete"),
		},

		{
			"the digests a request states are not compared", "functions/jobs/addoutput/digest.go",
			`if !bytes.Equal(got, want) {`, `if !bytes.Equal(got, want) && len(want) == 0 {`, killer{"./functions/jobs/addoutput", "TestDigests"},
		},
		{
			"what cannot be a digest is ignored", "functions/jobs/addoutput/digest.go",
			`if err != nil || len(want) != a.size {`, `if err != nil && len(want) > a.size {`, killer{"./functions/jobs/addoutput", "TestDigests"},
		},
		{
			"Content-MD5 is read by its own name alone", "functions/jobs/addoutput/digest.go",
			`"Content-Md5", remapped + "Content-Md5"`, `"Content-Md5"`, killer{"./functions/jobs/addoutput", "TestDigests"},
		},

		// What API Gateway does to requests.
		{
			"bodies with a content coding are read", "shared/api/handle.go",
			`refuseCoded(r)`, `_ = refuseCoded`, edge("TestCodedBody"),
		},
		{
			"one line of Content-Encoding is read", "shared/api/body.go",
			`strings.Join(r.Header.Values("Content-Encoding"), ",")`, `r.Header.Get("Content-Encoding")`, edge("TestCodedBody"),
		},
		{
			"the gateway decodes no body", "infra/local/gateway/coding.go",
			`if x.coded == PassCoded {`, `if x.coded <= PassCoded {`, killer{"./infra/local/gateway", "TestCodings"},
		},
		{
			"a decoded body may be of any size", "infra/local/gateway/coding.go",
			`wire.left < 0 || size > maxRequest`, `wire.left < 0`, killer{"./infra/local/gateway", "TestBomb"},
		},
		{
			"the gateway overrides no method", "infra/local/gateway/gateway.go",
			`strings.ToUpper(strings.TrimSpace(r.Header.Get(override)))`, `""`, killer{"./infra/local/gateway", "TestMethodOverride"},
		},
		{
			"an overridden method is authorized as the connection's", "infra/local/gateway/token.go",
			`stage, x.method, x.path)`, `stage, x.r.Method, x.path)`, killer{"./infra/local/gateway", "TestMethodOverride"},
		},
		{
			"a semicolon in a query is text", "infra/local/gateway/event.go",
			`strings.ReplaceAll(query, ";", "&")`, `query`, killer{"./infra/local/gateway", "TestRawQuery"},
		},
		{
			"functions' headers reach clients under their own names", "infra/local/gateway/answer.go",
			`for _, name := range remapped() {`, `for _, name := range remapped()[:0] {`, killer{"./infra/local/gateway", "TestResponseHeaders"},
		},
		{
			"a function that failed is said to have done nothing", "infra/local/gateway/invoke.go",
			`problem.New(problem.OutcomeUnknown,`, `problem.New(problem.Unavailable,`, killer{"./infra/local/gateway", "TestFunctionFails"},
		},

		// Outcomes and keys.
		{
			"a write that may have been carried out is unavailable", "shared/table/errors.go",
			`return Unknown().Because(fmt.Errorf(format+": %w", append(args, err)...))`, `return StoreError(err, format, args...)`, faults("lost_responses"),
		},
		{
			"a connection that broke was never made", "shared/table/attempts.go",
			`ok && dial.Op == "dial"`, `ok && dial.Op != ""`, domain("table", "TestOutcome"),
		},
		{
			"an attempt has no deadline", "shared/table/attempts.go",
			`time.AfterFunc(limit, func() { cancel(errStalled{limit}) })`, `time.AfterFunc(time.Hour, func() { cancel(errStalled{limit}) })`, domain("table", "TestSilentAttempt"),
		},
		{
			"a function works until Lambda ends it", "shared/api/lambda.go",
			`deadline.Add(-share)`, `deadline.Add(0 * share)`, edge("TestBeforeTheDeadline"),
		},
		{
			"a step that changes a job does not keep its key", "shared/jobs/steps.go",
			"\tcall.KeepJob(tx, j.Row(tenant))\n", "\tif !changed {\n\t\tcall.KeepJob(tx, j.Row(tenant))\n\t}\n", faults("lost_responses"),
		},
		{
			"the creation of a job does not keep its key", "shared/jobs/jobs.go",
			"\t\tcall.KeepJob(tx, job.Row(tenant))\n", "", faults("lost_responses"),
		},
		{
			"a hard delete does not keep its key", "shared/outputs/change.go",
			"\t\t\ts.delete(&o)\n\t\t\tcall.KeepOutput(tx, o.Row())\n", "\t\t\ts.delete(&o)\n", faults("lost_responses"),
		},
		{
			"a started job is not started again", "shared/jobs/steps.go",
			"case j.Started():\n\t\t\t\treturn false, nil", "case j.Started():\n\t\t\t\treturn false, illegal(\"start\", \"it has started\")", domain("jobs", "TestJobSteps"),
		},
		{
			"a job finishes again with another end", "shared/jobs/steps.go",
			`!j.EndTime.IsZero() && equal(j.ErrorReason, errorReason)`, `!j.EndTime.IsZero()`, domain("jobs", "TestJobSteps"),
		},
		{
			"the client sends no key with a step of a job", "shared/client/jobs.go",
			`k.path = fmt.Sprintf("/v1/jobs/%d%s", pk, step)`, "k.path = fmt.Sprintf(\"/v1/jobs/%d%s\", pk, step)\n\tk.header.Del(\"Idempotency-Key\")", domain("client", "TestOneKey"),
		},
		{
			"a refused token settles an outcome", "shared/client/call.go",
			`case http.StatusNotFound, http.StatusConflict,`, `case http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict,`, domain("client", "TestOutcome"),
		},

		// Retries and answers.
		{
			"contended writes are tried once", "shared/table/retries.go",
			`MaxAttempts = 10`, `MaxAttempts = 1`, domain("outputs", "TestReinstateAgainstHardDelete"),
		},
		{
			"a store that throttles is retried without a budget", "shared/table/retries.go",
			`o.RateLimiter = ratelimit.NewTokenRateLimit(retryBudget)`, `o.RateLimiter = ratelimit.None`, domain("table", "TestRetryBudget"),
		},
		{
			"contended writes use up the budget of retries", "shared/table/retries.go",
			`if conflicted(err) {`, `if false && conflicted(err) {`, domain("table", "TestRetryBudget"),
		},
		{
			"Retry-After replaces the client's backoff", "shared/client/client.go",
			`wait := after + c.cfg.Jitter(min(firstWait<<min(attempt, 10), longest))`,
			"wait := c.cfg.Jitter(min(firstWait<<min(attempt, 10), longest))\n\tif after > 0 {\n\t\twait = after + c.cfg.Jitter(firstWait)\n\t}",
			storm("TestCrowd"),
		},
		{
			"the client retries without a budget", "shared/client/client.go",
			`after > patience || !c.budget.take()`, `after > patience`, storm("TestOverload"),
		},
		{
			"successes do not refill the client's budget of retries", "shared/client/budget.go",
			`b.left = min(b.left+1, b.most)`, `b.left = min(b.left, b.most)`, domain("client", "TestRetryBudget"),
		},
		{
			"a plan alone decides what is listed", "shared/outputs/list.go",
			`return spec.Match(&row) && (after`, `return (after`, domain("outputs", "TestList"),
		},
		{
			"a list may be larger than Lambda sends", "functions/joboutputs/list/list.go",
			`if sent+len(buffer)+len("]") > limit.most {`, `if sent == 0 && len(buffer)+len("]") > limit.most {`,
			killer{"./functions/joboutputs/list", "TestMaxStreamed"},
		},
		{
			"rows are matched after the request has ended", "shared/outputs/sources.go",
			"if err := ctx.Err(); err != nil {\n\t\t\treturn nil, nil, fmt.Errorf(\"match", "if err := ctx.Err(); err != nil && len(kept) > 0 {\n\t\t\treturn nil, nil, fmt.Errorf(\"match",
			domain("outputs", "TestMatchingEndsWithTheContext"),
		},
		{
			"rows that were not read are the end of the list", "shared/outputs/sources.go",
			`err != nil && !ok {`, `err != nil && ok {`, domain("outputs", "TestReadsGivenUp"),
		},
		{
			"a client that has gone does not end the request", "shared/api/lambda.go",
			`b.stop()`, `_ = b.stop`, edge("TestStreamedReaderGoneSilently"),
		},

		// CPU time.
		{
			"every text of a filter is searched for by itself", "shared/filter/search.go",
			`if n < fewTerms && !long {`, `if n < fewTerms || long {`, killer{"./test/fuzz/cost", "TestCost"},
		},
		{
			"a column is folded for every term", "shared/filter/view.go",
			`v.made[c] = true`, `v.made[c] = false`, killer{"./test/fuzz/cost", "TestCost"},
		},
		{
			"what was found in a row is found in the next", "shared/filter/view.go",
			"\t\t\tclear(f.texts)\n", "", killer{"./shared/filter", "TestRowsAreApart"},
		},
		{
			"all names in an array of pairs are compared", "shared/api/object.go",
			"\t\tif len(parts) > 2 {\n\t\t\treturn parts, nil", "\t\tif len(parts) > 1<<20 {\n\t\t\treturn parts, nil", killer{"./test/fuzz/cost", "TestCost"},
		},
		{
			"a list that broke off is closed", "functions/joboutputs/list/list.go",
			"if err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif rows++", "if err != nil {\n\t\t\tbreak\n\t\t}\n\t\tif rows++",
			killer{"./functions/joboutputs/list", "TestErrorInTheMiddle"},
		},
		{
			"an encoded slash reaches a function", "infra/local/gateway/match.go",
			`case s.param && (decoded[i] == "" || strings.Contains(decoded[i], "/")):`, `case s.param && decoded[i] == "":`,
			killer{"./infra/local/gateway", "TestPaths"},
		},
		{
			"control characters reach a header", "shared/delivery/filename.go",
			`if unicode.IsControl(r) {`, `if unicode.IsControl(r) && r > unicode.MaxRune {`, killer{"./shared/delivery", "TestFilename"},
		},
	}
}
