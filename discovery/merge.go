package discovery

import "maps"

// Merge puts together what the own Engine and an orchestrator report. A
// container that both report is the Engine's, which knows more of it; labels
// that only the orchestrator knows are added. Merge doesn't change its
// arguments.
func Merge(own, reported []Container) []Container {
	all := make([]Container, 0, len(own)+len(reported))
	index := map[string]int{}
	for i, c := range own {
		all = append(all, c)
		index[c.ID] = i
	}
	for _, c := range reported {
		engineID := ""
		if c.Elsewhere != nil {
			engineID = c.Elsewhere.EngineID
		}
		i, here := index[engineID]
		if !here {
			all = append(all, c)
			continue
		}
		labels := maps.Clone(c.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, all[i].Labels)
		all[i].Labels = labels
	}
	return all
}
