package daemon

// Recipe is one entry of the recipes' index.
type Recipe struct {
	Kind   string `json:"kind"`   // what the label backup.type may say
	Recipe string `json:"recipe"` // file name
	Own    bool   `json:"own"`    // one of the user's
	Loads  bool   `json:"loads"`  // `purser load` takes its dump
	Inside bool   `json:"inside"` // its commands run in the service's own containers
	Regex  string `json:"regex"`  // what of an image's name it is for
}

// Recipes lists the user's recipes in a directory, which need not exist, and
// purser's, in the order in which they are tried. A fault in one is a
// ConfigError.
func Recipes(dir string) ([]Recipe, error) {
	catalog, err := loadCatalog(dir)
	if err != nil {
		return nil, err
	}
	list := []Recipe{}
	for _, e := range catalog.Entries() {
		list = append(list, Recipe{Kind: e.Kind, Recipe: e.Recipe, Own: !e.Last, Loads: e.Loads, Inside: e.Each, Regex: e.Regex})
	}
	return list, nil
}
