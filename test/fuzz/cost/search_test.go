package cost_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/guregu/dynamo/v2"

	"joboutputs/shared/api/apitest"
	"joboutputs/shared/filter"
)

// A grammar is a family of requests: a request is made of one choice for each gene.
type grammar struct {
	name  string
	genes []gene
	make  func(choice func(gene string) string) specimen
}

type gene struct {
	name    string
	choices []string
}

// A specimen is a request, and the rows it finds: as a filter sees them, and as they are
// stored.
type specimen struct {
	call  apitest.Call
	rows  []filter.Row
	items []dynamo.Item
}

// genome is a choice for each gene of a grammar.
type genome []int

func (g grammar) random(rnd *rand.Rand) genome {
	made := make(genome, len(g.genes))
	for i, gene := range g.genes {
		made[i] = rnd.IntN(len(gene.choices))
	}
	return made
}

// mutate changes one or two choices.
func (g grammar) mutate(rnd *rand.Rand, from genome) genome {
	made := append(genome(nil), from...)
	for range 1 + rnd.IntN(2) {
		i := rnd.IntN(len(made))
		made[i] = rnd.IntN(len(g.genes[i].choices))
	}
	return made
}

func (g grammar) specimen(from genome) specimen {
	return g.make(func(name string) string {
		for i, gene := range g.genes {
			if gene.name == name {
				return gene.choices[from[i]]
			}
		}
		panic("no gene " + name)
	})
}

func (g grammar) describe(from genome) string {
	var all []string
	for i, gene := range g.genes {
		all = append(all, fmt.Sprintf("%s=%.40q", gene.name, gene.choices[from[i]]))
	}
	return strings.Join(all, " ")
}

// plain are the genomes with the first choice of each gene, and every one of the first gene.
func (g grammar) plain() []genome {
	all := make([]genome, len(g.genes[0].choices))
	for i := range all {
		all[i] = make(genome, len(g.genes))
		all[i][0] = i
	}
	return all
}

// climb looks for the dearest request by mutations that cost more: from the plain ones, the
// dearest first, and then from random ones. cost is measured once for each, and the dearest
// again, at its best. It ends before its time where far more than enough was found.
func (g grammar) climb(rnd *rand.Rand, steps int, enough float64, cost func(s specimen, runs int) float64) (dearest float64, what string, tried int) {
	const patience = 8 // mutations that cost no more, until a new start
	measured := func(at genome) peak {
		tried++
		return peak{at, cost(g.specimen(at), 1)}
	}
	var starts []peak
	for _, at := range g.plain() {
		first := measured(at)
		if first.height >= 3*enough {
			return first.height, g.describe(at), tried
		}
		starts = append(starts, first)
	}
	slices.SortStableFunc(starts, func(a, b peak) int { return cmp.Compare(b.height, a.height) })
	for tried < steps {
		if len(starts) == 0 {
			starts = append(starts, measured(g.random(rnd)))
		}
		at := starts[0]
		starts = starts[1:]
		for idle := 0; idle < patience && tried < steps && at.height < 3*enough; {
			idle++
			if next := measured(g.mutate(rnd, at.genome)); next.height > at.height*1.02 {
				at, idle = next, 0
			}
		}
		if at.height >= 3*enough {
			return at.height, g.describe(at.genome), tried
		}
		if at.height > dearest {
			if at.height = cost(g.specimen(at.genome), 5); at.height > dearest {
				dearest, what = at.height, g.describe(at.genome)
			}
		}
	}
	return dearest, what, tried
}

// peak is a genome and what it costs.
type peak struct {
	genome genome
	height float64
}
