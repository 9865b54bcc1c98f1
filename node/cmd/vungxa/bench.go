package main

import (
	"context"
	"time"

	"github.com/vungxa/vungxa/node/bench"
)

type benchCmd struct {
	Save  benchSave  `cmd:"" help:"A durable save, beside the disk's own fsync."`
	KPI   benchKPI   `cmd:"" name:"kpi" help:"One change of one record at 10^3 and 10^5 records."`
	Start benchStart `cmd:"" help:"From the start of the program to the first page of a list."`
	Store benchStore `cmd:"" help:"A whole node with a million records: memory, disk, rates."`
}

// benchOutput is how every benchmark tells its figures.
type benchOutput struct {
	JSON bool `help:"One JSON object a line."`
}

func (o benchOutput) report(c *console) bench.Report {
	if o.JSON {
		return bench.JSON(c.out)
	}
	return bench.Text(c.out)
}

type benchSave struct {
	benchOutput
	Dir string `default:"." type:"existingdir" help:"On the disk to measure; a temporary directory is made in it."`
	N   int    `default:"2000" help:"Saves."`
}

// Run measures saves.
func (b benchSave) Run(ctx context.Context, c *console) error {
	return bench.Save(ctx, b.Dir, b.N, time.Now, b.report(c))
}

type benchKPI struct{ benchOutput }

// Run measures changes of the KPIs.
func (b benchKPI) Run(c *console) error {
	bench.KPI(time.Now, b.report(c))
	return nil
}

type benchStart struct {
	benchOutput
	Dir     string `default:"." type:"existingdir" help:"A temporary directory is made in it."`
	Records int    `default:"100000" help:"Dossiers in the store."`
}

// Run measures the start.
func (b benchStart) Run(ctx context.Context, c *console) error {
	return bench.Start(ctx, b.Dir, b.Records, time.Now, b.report(c))
}

type benchStore struct {
	benchOutput
	Dir     string `default:"." type:"existingdir" help:"A temporary directory is made in it."`
	Records int    `default:"1000000" help:"Dossiers of some 500 bytes."`
}

// Run measures a whole node.
func (b benchStore) Run(ctx context.Context, c *console) error {
	return bench.Store(ctx, b.Dir, b.Records, time.Now, b.report(c))
}
