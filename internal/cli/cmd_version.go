package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

func versionCommand() *command {
	return &command{
		name: "version", summary: "print the version",
		example: "purser version",
		help:    "With --output json: {version, go, platform}.\n" + exitHelp(),
		run: func(_ context.Context, inv *invocation) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if inv.json() {
				return writeJSON(inv.stdout, map[string]string{
					"version": buildVersion(), "go": runtime.Version(), "platform": platform,
				})
			}
			_, err := fmt.Fprintf(inv.stdout, "purser %s (%s, %s)\n", buildVersion(), runtime.Version(), platform)
			return err
		},
	}
}

// buildVersion is what the linker was told, else what the build recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
