package main

// The tests that must notice, by package.
func store(test string) killer  { return killer{"./shared/outputs", test} }
func tokens(test string) killer { return killer{"./test/tokens", test} }
func edge(test string) killer   { return killer{"./shared/api", test} }

// mutants is the table, by what is broken.
func mutants() []mutant {
	return []mutant{
		// Conditions.
		{
			"adding does not ask whether the name is free", "shared/outputs/add.go",
			`Put(s.table.Put(o.byName(tenant)).If("attribute_not_exists('PK')")).`,
			`Put(s.table.Put(o.byName(tenant))).`, store("TestSixteenAddsOfOneName"),
		},
		{
			"adding does not ask whether the cleanup has its intent", "shared/outputs/add.go",
			".\n\t\t\tIf(\"attribute_exists('PK') AND attribute_not_exists('claimed')\")).", ").", store("TestCleanupWhileAdding"),
		},
		{
			"a deletion time is written over any version", "shared/outputs/change.go",
			"Set(\"v\", o.version+1).\n\t\tIf(\"'v' = ?\", o.version)", "Set(\"v\", o.version+1)", store("TestReinstateAgainstHardDelete"),
		},
		{
			"a job is made over another one", "shared/outputs/jobs.go",
			`s.table.Put(job.item(tenant)).If("attribute_not_exists('PK')")`, `s.table.Put(job.item(tenant))`, store("TestCreateJob"),
		},
		{
			"a node works two jobs", "shared/outputs/jobs.go",
			`If("attribute_not_exists('current_job') OR 'current_job' = ?", pk)`, `If("attribute_not_exists('current_job') OR 'current_job' <> ?", 0)`, store("TestJobSteps"),
		},
		{
			"a completion does not ask whether the upload is open", "shared/outputs/complete.go",
			`u.If("'state' = ?", UploadOpen)`, `u.If("'state' <> ?", "")`, store("TestUploadRaces"),
		},
		{
			"an add that was refused leaves its intent to a late delivery", "shared/outputs/add.go",
			`claimed, err := s.claim(ctx, intent)`, `claimed, err := !intent.Claimed, error(nil)`, store("TestLateDelivery"),
		},
		{
			"a completion that was refused may be delivered late", "shared/outputs/complete.go",
			`return u.If("attribute_not_exists('refused')")`, `return u`, store("TestLateDelivery"),
		},
		{
			"two first writes of a user give two pks", "shared/outputs/users.go",
			`Put(s.table.Put(row).If("attribute_not_exists('PK')")).`, `Put(s.table.Put(row)).`, store("TestFirstWritesAtOnce"),
		},

		// Guards and states.
		{
			"outputs are added to a finished job", "shared/outputs/job.go",
			`case j.Finished():`, `case false:`, store("TestAddRefuses"),
		},
		{
			"outputs are added to a job that was not started", "shared/outputs/job.go",
			`case !j.Started():`, `case false:`, store("TestAddRefuses"),
		},

		// Intents and tombstones.
		{
			"adding stores bytes without an intent", "shared/outputs/add.go",
			`if err := s.table.Put(intent).Run(bothCtx); err != nil {`, `if err := bothCtx.Err(); err != nil {`, store("TestCrashedAdd"),
		},
		{
			"a hard delete leaves no tombstone", "shared/outputs/change.go",
			"\n\t\t\tPut(s.table.Put(tombstone)).", "", store("TestCrashedHardDelete"),
		},
		{
			"a hard delete keeps the bytes", "shared/outputs/change.go",
			`tenantguard.Breached(s.bury(ctx, tombstone))`, `tenantguard.Breached(nil)`, store("TestReinstateAgainstHardDelete"),
		},
		{
			"the cleanup has no patience", "shared/outputs/cleanup.go",
			`s.now().Add(Grace - grace)`, `s.now().Add(Grace)`, store("TestCrashedAdd"),
		},
		{
			"the cleanup keeps the bytes", "shared/outputs/cleanup.go",
			"_, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{\n\t\tBucket: &s.bucket,\n\t\tKey:    aws.String(objectKey(row.Tenant, row.Object)),\n\t})",
			"_, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})\n\t_ = aws.String", store("TestCrashedAdd"),
		},

		// Tenants.
		{
			"outputs have keys without the tenant", "shared/outputs/keys.go",
			`return tenantKey(tenant) + "#O#" +`, `return tenantKey("") + "#O#" +`, store("TestLifeOfAnOutput"),
		},
		{
			"jobs have keys without the tenant", "shared/outputs/keys.go",
			`return tenantKey(tenant) + "#J#" +`, `return tenantKey("") + "#J#" +`, store("TestCreateJob"),
		},
		{
			"the timeline has keys without the tenant", "shared/outputs/keys.go",
			`return tenantKey(tenant) + "#S" +`, `return tenantKey("") + "#S" +`, store("TestList"),
		},
		{
			"idempotency keys have keys without the tenant", "shared/outputs/keys.go",
			`return tenantKey(tenant) + "#I#" +`, `return tenantKey("") + "#I#" +`, store("TestKeysApart"),
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
			"an upload never expires", "shared/outputs/upload.go",
			`r.State == UploadOpen && !s.now().Before(expires):`, `r.State == UploadOpen && expires.IsZero():`, store("TestIncomplete"),
		},

		// Checksums.
		{
			"parts may be missing", "shared/outputs/complete.go",
			`if len(missing)+len(wrong) > 0 {`, `if len(wrong) > 0 {`, store("TestIncomplete"),
		},
		{
			"a part may have another checksum", "shared/outputs/complete.go",
			`named && claimed != *p.SHA256 {`, `named && claimed == "" {`, store("TestIncomplete"),
		},
		{
			"a part may have another size", "shared/outputs/complete.go",
			`if p.Size != size || p.SHA256 == nil`, `if size == 0 || p.SHA256 == nil`, store("TestPartOfAnotherSize"),
		},
		{
			"content of one part may have another checksum", "shared/outputs/complete.go",
			`claimed != "" && claimed != sum`, `claimed != "" && sum == ""`, store("TestIncomplete"),
		},

		// Retries and answers.
		{
			"contended writes are tried once", "shared/outputs/store.go",
			`maxAttempts = 10`, `maxAttempts = 1`, store("TestReinstateAgainstHardDelete"),
		},
		{
			"a plan alone decides what is listed", "shared/outputs/list.go",
			`return spec.Match(&row) && (after`, `return (after`, store("TestList"),
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
