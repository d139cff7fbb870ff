// Package templates holds the recipes that purser brings along: for each kind
// of service a template, and an index file that says which images it is for.
package templates

import (
	"embed"
	"io/fs"
)

//go:embed *.yml index/*.yml
var files embed.FS

// FS returns the embedded recipes and their index, as dumpers.Load reads them.
func FS() fs.FS { return files }
