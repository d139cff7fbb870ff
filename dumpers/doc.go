// Package dumpers finds the recipe for a service, renders it, and runs it
// into a dump that is complete or absent.
//
// A recipe is a Go text/template that renders to YAML; an index file says
// which services it is for. Both are read once, by Load, so that a fault is
// found at start and not at night.
//
// An index file maps names to rules:
//
//	mysql:
//	  regex: "mysql"         # searched in the label backup.type, else in the image's reference
//	  template: "mysql.yml"  # the recipe
//	  exclude: ["-exporter"] # optional: images that the regex hits wrongly
//
// A template may use {{ ip }}, {{ target_dir }}, {{ env.NAME }}, the
// functions of text/template, and {{ fail "reason" "hint" }}. If the service
// has NAME_FILE or FILE__NAME and not NAME, env.NAME is the content of that
// file in the service; if the operator has bound NAME to the service, see
// Secrets, it is that. It renders to these keys:
//
//	image: "mysql:8"         # optional; else the image that the service runs
//	entrypoint: "/bin/x"     # optional; put before each command
//	commands:                # run in order; the first that fails ends the dump
//	  - "sh -c 'mysqldump -h {{ ip }} > {{ target_dir }}/all.sql'" # in shell words
//	  - ["sh", "-c", "…"]                                          # or word by word
//	environments:            # KEY:VALUE, split at the first colon
//	  - "MYSQL_PWD:{{ env.MYSQL_ROOT_PASSWORD }}"
//	each: replica            # optional: run the commands in the service's own containers, once in each
//	output: "data.tar"       # with each: the file that their standard output becomes
//	trailer:                 # optional: how a complete file ends
//	  - {file: "*.sql", contains: "-- Dump completed"}
//	stderr:                  # optional: what to make of lines on standard error; regular expressions
//	  fails: "^mysqldump: Error"  # of a dump that is a failure although its commands succeeded
//	  ignore: "^Warning: "        # that say nothing
//	empty:                   # optional: prints what the service holds, nothing if it is new
//	  - "sh -c 'mysql -h {{ ip }} -e \"show tables in shop\"'"
//	load:                    # optional: loads the dump that lies in {{ target_dir }}
//	  - "sh -c 'mysql -h {{ ip }} < {{ target_dir }}/all.sql'"
//
// A load stops at the first command that fails. What it prints is shown to the
// user: what it has loaded, counted against what the dump holds. The variable
// PURSER_FORCE is set for one that may replace what the service holds.
//
// Commands with "each: replica" don't see {{ target_dir }}. What they print
// becomes the file "output" in a directory with the container's name; each
// container of the service must be running. The other scripts of such a recipe
// run as always.
//
// What a failed command writes to its standard error goes into the error;
// lines that begin with "hint: " say what the user can do.
//
// What the commands of a dump write to their standard error although they
// succeed is told to the user as a warning about the dump, less what "ignore"
// matches. A line that "fails" matches makes the dump a failure.
//
// A command in shell words may end with "> FILE", where its standard output
// goes. All else that a shell does needs "sh -c" around it.
//
// Where the shell can, a script of "sh -c" runs with "set -o pipefail": a dump
// whose first half of a pipe failed is no dump.
//
// A trailer is looked for at the start of a line in the last 4 KiB of each
// file that matches; of several, the first that matches a file counts, and
// each must match a file.
//
// What a service's environment holds never becomes text of a rendered recipe:
// it is an opaque placeholder until the YAML is parsed, and one word of a
// command after that, by way of an environment variable. Within the script of
// "sh -c" the inner shell expands it. Where a value would become code all the
// same, as within "eval" or in a script inside the script, the recipe is
// refused.
package dumpers
