package cli

import (
	"context"
	"fmt"
)

func configCommand() *command {
	return &command{
		name:    "config",
		summary: "show every setting, its value, and where that comes from",
		example: `purser config
BACKUP_DUPLICITY_VOLSIZE=50 purser config --output json`,
		help: `Lists the settings as they are in effect. Secrets are shown as [redacted], a URL without
its password. A setting without a value has none by default.

With --output json: {settings: [{name, value, origin}], notes}; notes tell of settings
that have no effect.
` + exitHelp(),
		run: runConfig,
	}
}

func runConfig(_ context.Context, inv *invocation) error {
	cfg, err := inv.config()
	if err != nil {
		return err
	}
	type setting struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Origin string `json:"origin"`
	}
	settings := []setting{}
	t := &table{}
	t.add("NAME", "VALUE", "FROM")
	for _, s := range cfg.Settings() {
		settings = append(settings, setting{s.Name, s.Value, s.Origin.String()})
		value := printable(s.Value)
		if value == "" {
			value = "-"
		}
		t.add(s.Name, value, printable(s.Origin.String()))
	}
	if inv.json() {
		return writeJSON(inv.stdout, struct {
			Settings []setting `json:"settings"`
			Notes    []string  `json:"notes"`
		}{settings, append([]string{}, cfg.Notes...)})
	}
	if err := t.write(inv.stdout); err != nil {
		return err
	}
	for _, note := range cfg.Notes {
		if _, err := fmt.Fprintf(inv.stdout, "note: %s\n", printable(note)); err != nil {
			return err
		}
	}
	return nil
}
