#include "redact/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "match/match.h"
#include "redact/identity_key.h"
#include "redact/rebundle.h"

#define PIECE (256 * 1024)

void redaction_clear(struct redaction *redaction)
{
	tl_redact_rules_free(redaction->rules);
	tl_identities_free(redaction->identities);
}

int redaction_redactor(const struct redaction *redaction, struct tl_redactor **ret_redactor,
		       struct tl_err *err)
{
	int r = tl_redactor_new(redaction->rules, &tl_redact_limits_default, ret_redactor, err);

	if (r == 0) {
		tl_redactor_set_identities(*ret_redactor, redaction->identities);
		tl_redactor_set_level(*ret_redactor, redaction->level);
	}
	return r;
}

static int read_level(const struct tl_cli *cli, enum tl_redact_level *ret_level, struct tl_err *err)
{
	static const char *const names[] = {
		[TL_REDACT_SECRETS] = "secrets",
		[TL_REDACT_IDENTITIES] = "identities",
		[TL_REDACT_OFF] = "off",
	};
	const char *given = tl_cli_get(cli, "level");

	for (size_t i = 0; given && i < TL_ARRAY_LEN(names); i++)
		if (strcmp(given, names[i]) == 0) {
			*ret_level = (enum tl_redact_level)i;
			return 0;
		}
	return given ? tl_err_set(err, TL_EUSAGE,
				  "\"%.32s\" is no level: it is secrets, identities or off", given)
		     : 0;
}

static int open_identities(struct redaction *redaction, struct tl_err *err)
{
	char state[PATH_MAX];
	int r = tl_identity_state_dir(state, err);

	return r < 0 ? r
		     : tl_identities_open(
			       &(struct tl_identity_places){
				       .state_dir = state,
				       .site_file = TL_IDENTITY_SITE_FILE,
				       .root = "",
			       },
			       &redaction->identities, err);
}

static int open_redaction(const struct tl_cli *cli, struct redaction *redaction, struct tl_err *err)
{
	char cache[PATH_MAX];
	const char *site = tl_cli_get(cli, "rules");
	const struct tl_redact_sources sources = {
		.site_dir = site ? site : REDACT_SITE_DIR,
		.cache_dir = tl_match_cache_dir(cache),
	};
	int r = read_level(cli, &redaction->level, err);

	/* only where nobody named it need it not be there */
	if (r == 0 && site && access(site, R_OK | X_OK) != 0)
		r = tl_err_sys(err, TL_EIO, errno, "cannot open %s", site);
	if (r == 0)
		r = tl_redact_rules_open(&sources, &redaction->rules, err);
	if (r == 0 && redaction->level == TL_REDACT_IDENTITIES)
		r = open_identities(redaction, err);
	return r;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static int to_stdout(void *arg TL_UNUSED, const void *bytes, size_t len, struct tl_err *err)
{
	return fwrite(bytes, 1, len, stdout) == len
		       ? 0
		       : tl_err_sys(err, TL_EIO, errno, "cannot write the output");
}

static int open_input(const char *path, int *ret_fd, struct tl_err *err)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", path);
	*ret_fd = fd;
	return 0;
}

static int filter(struct tl_redactor *redactor, int fd, const char *path, struct tl_err *err)
{
	tl_free char *piece = malloc(PIECE);
	int r = 0;

	if (!piece)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	tl_redactor_set_path(redactor, strcmp(path, "-") == 0 ? NULL : path);
	tl_redactor_begin(redactor, to_stdout, NULL);
	while (r == 0) {
		ssize_t len = read(fd, piece, PIECE);

		if (len < 0 && errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", path);
		if (len == 0)
			return tl_redactor_flush(redactor, err);
		if (len > 0)
			r = tl_redactor_feed(redactor, piece, (size_t)len, err);
	}
	return r;
}

static int write_report(const struct redaction *redaction, json_t *counts, const char *path,
			struct tl_err *err)
{
	static const char *const levels[] = {"secrets", "identities", "off"};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(256 * 1024);
	tl_json *report = json_pack("{s:i, s:s, s:s, s:O}", "schema", 1, "ruleset",
				    tl_redact_rules_name(redaction->rules), "level",
				    levels[redaction->level], "totals", counts);

	tl_json_write(&text, report);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the report");
	if (strcmp(path, "-") == 0)
		return tl_fs_write_all(STDERR_FILENO, text.data, text.len, err);
	return tl_fs_write_file(AT_FDCWD, path, 0644, text.data, text.len, err);
}

static int filter_files(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(redaction) struct redaction redaction = {.rules = NULL};
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;
	tl_json *counts = json_object();
	size_t count = tl_cli_operand_count(cli);
	int r = open_redaction(cli, &redaction, err);

	if (r == 0)
		r = redaction_redactor(&redaction, &redactor, err);
	for (size_t i = 0; r == 0 && i < (count ? count : 1); i++) {
		const char *path = count ? tl_cli_operand(cli, i) : "-";
		tl_fd int fd = -1;

		r = open_input(path, &fd, err);
		if (r == 0)
			r = filter(redactor, fd, path, err);
		if (r == 0)
			tl_redactor_report(redactor, counts);
	}
	if (r == 0 && redaction.identities)
		r = tl_identities_save(redaction.identities, err);
	if (r == 0 && tl_cli_has(cli, "report"))
		r = write_report(&redaction, counts, tl_cli_get(cli, "report"), err);
	return r;
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* All faults, one a line: a person corrects a file in one go. */
static int lint_files(const struct tl_cli *cli, struct tl_err *err)
{
	size_t wrong = 0, count = tl_cli_operand_count(cli);

	for (size_t i = 0; i < count; i++) {
		const char *path = tl_cli_operand(cli, i);
		struct tl_err why = TL_ERR_INIT;

		if (tl_redact_rules_lint(path, &why) == 0)
			continue;
		fprintf(stderr, "%s\n", tl_err_text(&why));
		wrong++;
	}
	if (wrong)
		return tl_err_set(err, TL_ECONFIG, "%zu of %zu rule files are not valid", wrong,
				  count);
	printf("%zu file%s checked, no mistake found.\n", count, count == 1 ? "" : "s");
	return 0;
}

static int lint(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(redaction) struct redaction redaction = {.rules = NULL};
	int r;

	if (tl_cli_operand_count(cli))
		return lint_files(cli, err);
	r = open_redaction(cli, &redaction, err);
	if (r == 0)
		printf("%zu rules, no mistake found.\n", tl_redact_rules_count(redaction.rules));
	return r;
}

static int list(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(redaction) struct redaction redaction = {.rules = NULL};
	int r = open_redaction(cli, &redaction, err);

	for (size_t i = 0; r == 0 && i < tl_redact_rules_count(redaction.rules); i++) {
		struct tl_redact_rule_facts facts = tl_redact_rules_facts(redaction.rules, i);

		printf("%-28s %s:%zu  %s\n", facts.id, facts.file, facts.line,
		       facts.description ? facts.description : "");
	}
	return r;
}

static int rebundle(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(redaction) struct redaction redaction = {.rules = NULL};
	int r;

	if (tl_cli_operand_count(cli) != 1 || !tl_cli_has(cli, "output"))
		return tl_err_set(err, TL_EUSAGE, "--bundle takes one bundle, and --output=FILE");
	r = open_redaction(cli, &redaction, err);
	if (r == 0 && redaction.level == TL_REDACT_OFF)
		r = tl_err_set(err, TL_EUSAGE, "the level off changes nothing in a bundle");
	if (r == 0)
		r = redact_bundle(&redaction, tl_cli_operand(cli, 0), tl_cli_get(cli, "output"),
				  err);
	if (r == 0 && redaction.identities)
		r = tl_identities_save(redaction.identities, err);
	return r;
}

int redact_command(const struct tl_cli *cli, struct tl_err *err)
{
	static const struct {
		const char *option;
		int (*run)(const struct tl_cli *cli, struct tl_err *err);
	} modes[] = {{"lint", lint}, {"list", list}, {"bundle", rebundle}};

	if (tl_cli_has(cli, "output") && !tl_cli_has(cli, "bundle"))
		return tl_err_set(err, TL_EUSAGE,
				  "--output belongs to --bundle: a text goes to standard output");
	for (size_t i = 0; i < TL_ARRAY_LEN(modes); i++)
		if (tl_cli_has(cli, modes[i].option))
			return modes[i].run(cli, err);
	return filter_files(cli, err);
}
