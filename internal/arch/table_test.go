package arch_test

const module = "github.com/purser-backup/purser"

// rule says what a package may import of ours. A pattern that ends in /* stands
// for all packages below. What is not listed is forbidden.
type rule struct {
	pkg   string
	code  []string
	tests []string // these besides, in test files
}

// table holds two sentences above all: engine never hears of Docker; discovery
// and dumpers never hear of the engine. They meet in internal/daemon.
func table() []rule {
	return []rule{
		{pkg: "cmd/purser", code: []string{"internal/cli"},
			tests: []string{"engine/storage/servertest", "internal/config", "internal/docker/dockertest", "internal/notify/notifytest",
				"internal/rancher/ranchertest"}},

		{pkg: "discovery", code: []string{"internal/nearest", "internal/schedule"}, tests: []string{"internal/docker", "internal/docker/dockertest", "internal/hint"}},
		{pkg: "dumpers", code: []string{"discovery", "internal/atomicfile", "internal/bug", "internal/secret"},
			tests: []string{"templates", "internal/docker", "internal/docker/dockertest"}},
		{pkg: "templates", tests: []string{"discovery", "dumpers", "internal/docker", "internal/docker/dockertest", "internal/hint"}},

		{pkg: "engine", code: []string{"engine/storage", "engine/internal/*", "internal/atomicfile", "internal/bug", "internal/secret"},
			tests: []string{"engine/storage/driver", "engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/internal/deflate", code: []string{"engine/internal/fletcher", "internal/bug"}},
		{pkg: "engine/internal/fletcher"},
		{pkg: "engine/internal/format"},
		{pkg: "engine/internal/librsync", code: []string{"engine/internal/fletcher"}},
		{pkg: "engine/internal/selection"},
		{pkg: "engine/internal/stagetest"},
		{pkg: "engine/internal/pgp", code: []string{"engine/internal/deflate", "internal/bug", "internal/secret"}, tests: []string{"engine/internal/stagetest"}},
		{pkg: "engine/storage", code: []string{"engine/storage/driver", "engine/storage/internal/*", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/driver"},
		{pkg: "engine/storage/driver/drivertest", code: []string{"engine/storage/driver"}},
		{pkg: "engine/storage/internal/file", code: []string{"engine/storage/driver", "internal/atomicfile"},
			tests: []string{"engine/storage/driver/drivertest", "internal/hint"}},
		{pkg: "engine/storage/internal/ftp", code: []string{"engine/storage/driver", "engine/storage/internal/network", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/internal/network", code: []string{"engine/storage/driver"}},
		{pkg: "engine/storage/internal/program", code: []string{"engine/storage/driver", "engine/storage/internal/network", "internal/secret"}},
		{pkg: "engine/storage/internal/rclone", code: []string{"engine/storage/driver", "engine/storage/internal/network", "engine/storage/internal/program", "internal/bug", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/internal/rsync", code: []string{"engine/storage/driver", "engine/storage/internal/network", "engine/storage/internal/program", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/internal/s3", code: []string{"engine/storage/driver", "engine/storage/internal/network", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/internal/sftp", code: []string{"engine/storage/driver", "engine/storage/internal/network", "internal/bug", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/internal/webdav", code: []string{"engine/storage/driver", "engine/storage/internal/network", "internal/secret"},
			tests: []string{"engine/storage/driver/drivertest", "engine/storage/servertest", "internal/hint"}},
		{pkg: "engine/storage/servertest"},

		{pkg: "internal/api", code: []string{"internal/secret"}},
		{pkg: "internal/arch"},
		{pkg: "internal/atomicfile"},
		{pkg: "internal/bug"},
		{pkg: "internal/cli",
			code: []string{"engine", "engine/storage", "internal/api", "internal/bug", "internal/config", "internal/daemon", "internal/hint", "internal/nearest",
				"internal/retention", "internal/secret"},
			tests: []string{"internal/docker", "internal/docker/dockertest", "internal/notify/notifytest"}},
		{pkg: "internal/config", code: []string{"internal/filter", "internal/nearest", "internal/retention", "internal/schedule", "internal/secret"}, tests: []string{"internal/hint"}},
		{pkg: "internal/daemon",
			code: []string{"discovery", "dumpers", "engine", "engine/storage", "templates",
				"internal/api", "internal/atomicfile", "internal/bug", "internal/config", "internal/docker", "internal/hint", "internal/notify", "internal/rancher",
				"internal/retention", "internal/schedule", "internal/secret", "internal/stackexport"},
			tests: []string{"engine/storage/driver", "engine/storage/driver/drivertest", "internal/docker/dockertest", "internal/notify/notifytest",
				"internal/rancher/ranchertest"}},
		{pkg: "internal/docker", code: []string{"discovery", "dumpers", "internal/bug"},
			tests: []string{"internal/docker/dockertest", "internal/secret", "templates"}},
		{pkg: "internal/docker/dockertest"},
		{pkg: "internal/filter"},
		{pkg: "internal/hint"},
		{pkg: "internal/nearest"},
		{pkg: "internal/notify", code: []string{"internal/api", "internal/bug", "internal/secret"}, tests: []string{"internal/notify/notifytest"}},
		{pkg: "internal/notify/notifytest"},
		{pkg: "internal/rancher", code: []string{"discovery", "internal/bug", "internal/secret", "internal/stackexport"}, tests: []string{"internal/rancher/ranchertest"}},
		{pkg: "internal/rancher/ranchertest"},
		{pkg: "internal/retention"},
		{pkg: "internal/schedule"},
		{pkg: "internal/secret"},
		{pkg: "internal/stackexport"},

		{pkg: "scripts/benchmark"},
	}
}

// owners are modules that one package of ours hides from all others, tests of
// its own kit apart.
func owners() map[string][]string {
	return map[string][]string{
		"github.com/ProtonMail/go-crypto":      {"engine/internal/pgp"},
		"golang.org/x/crypto/openpgp":          {},
		"github.com/docker/docker":             {"internal/docker", "internal/docker/dockertest"},
		"github.com/minio/minio-go":            {"engine/storage/internal/s3"},
		"github.com/pkg/sftp":                  {"engine/storage/internal/sftp"},
		"golang.org/x/crypto/ssh":              {"engine/storage/internal/sftp"},
		"golang.org/x/time":                    {"engine/storage/internal/network", "internal/daemon"},
		"github.com/jlaffaye/ftp":              {"engine/storage/internal/ftp"},
		"github.com/rancher/go-rancher":        {"internal/rancher"},
		"github.com/gorilla/websocket":         {"internal/rancher", "internal/rancher/ranchertest"},
		"github.com/robfig/cron":               {"internal/schedule"},
		"github.com/kelseyhightower/envconfig": {"internal/config"},
		"github.com/nicholas-fedor/shoutrrr":   {"internal/notify"},
		"github.com/prometheus":                {"internal/daemon"},
	}
}
