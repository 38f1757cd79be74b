package users_test

import (
	"fmt"
	"sync"
	"testing"

	"joboutputs/shared/auth"
	"joboutputs/shared/jobs"
	"joboutputs/shared/localaws/storetest"
	"joboutputs/shared/problem"
	"joboutputs/shared/users"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	ctx := storetest.Acting(t)
	anna := users.User{Issuer: "https://issuer", Subject: "anna", Username: "anna"}
	ben := users.User{Issuer: "https://issuer", Subject: "ben", Username: "ben"}
	j, err := s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{Node: 1, Creator: anna})
	if err != nil || j.Creator != 1 || j.PK != 1 {
		t.Fatalf("first job: %+v, %v", j, err)
	}
	if _, err := s.Jobs.Start(ctx, storetest.As(1), 1, ""); err != nil {
		t.Fatal(err)
	}
	for i, who := range []users.User{ben, anna, ben} {
		p := auth.Principal{Tenant: storetest.Tenant, Issuer: who.Issuer, Subject: who.Subject, Username: who.Username, Admin: true}
		o, err := s.Outputs.Add(ctx, p, storetest.Addition(1, fmt.Sprint(i), "t", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int64{"anna": 1, "ben": 2}[who.Username]; o.Creator != want || o.CreatorUsername != who.Username {
			t.Errorf("%s's output has creator %d (%s), want %d", who.Username, o.Creator, o.CreatorUsername, want)
		}
	}
	_, err = s.Outputs.Add(ctx, storetest.Alice, storetest.Addition(1, "by claim", "t", "x"))
	storetest.WantProblem(t, err, problem.PermissionDenied)
	_, err = s.Jobs.Create(ctx, storetest.Tenant, jobs.NewJob{PK: 9, Creator: users.Of(storetest.Alice)})
	storetest.WantProblem(t, err, problem.PermissionDenied)
}

// TestFirstWritesAtOnce: a user whom the directory does not know yet gets one pk, however
// many first writes there are.
func TestFirstWritesAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	carl := users.User{Issuer: "https://issuer", Subject: "carl", Username: "carl"}
	creators := make([]int64, 12)
	var wg sync.WaitGroup
	for i := range creators {
		wg.Go(func() {
			j, err := s.Jobs.Create(storetest.Acting(t), storetest.Tenant, jobs.NewJob{Creator: carl})
			if err != nil {
				t.Error(err)
			}
			creators[i] = j.Creator
		})
	}
	wg.Wait()
	for _, creator := range creators {
		if creator != creators[0] || creator == 0 {
			t.Fatalf("one user has the pks %v", creators)
		}
	}
}
