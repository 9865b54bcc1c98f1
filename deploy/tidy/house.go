package tidy

// clockEdges are the files, other than programs, that may read the machine's
// clock.
var clockEdges = Excuses{}

// chanceEdges are the files, other than programs, that may use the global
// generator.
var chanceEdges = Excuses{}

// initFiles may have an init function.
var initFiles = Excuses{}

// sleepingTests may wait for a length of real time.
var sleepingTests = Excuses{}

// Rules are all rules of the house; std lists the import paths of the standard
// library.
func Rules(std []string) []Rule {
	return []Rule{
		{"layers", Layers},
		{"purity", Purity},
		{"package comments", PackageComments},
		{"standard names", StandardNames(std)},
		{"empty names", EmptyNames},
		{"peers apart", Peers},
		{"build output", BuildOutput},
		{"one machine", Machine},
		{"init functions", Inits(initFiles)},
		{"clock", Clock(clockEdges)},
		{"chance", Chance(chanceEdges)},
		{"switched-off rules of the store", Switches},
		{"sleeping tests", Sleeps(sleepingTests)},
		{"silent skips", Skips},
		{"switched-off scripts", Scripts},
		{"cut error chains", Wraps},
		{"exits", Exits},
		{"unfinished work", Unfinished},
		{"desktop tag", DesktopTag},
		{"windows", Windows},
		{"long functions", Functions},
		{"long files", Lengths},
		{"links", Links},
	}
}
