#include "daemon/cmd_help_show.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <towline/program.h>

#include "daemon/cmd.h"

#define FILES_SHOWN 20
#define SAMPLES "5" /* lines of a rule */

void cmd_help_show_files(const json_t *bundle, size_t shown)
{
	const json_t *files = json_object_get(bundle, "files");
	size_t total = json_array_size(files) +
		       (size_t)json_integer_value(json_object_get(bundle, "files_omitted"));
	const json_t *file;
	char size[32];
	size_t i;

	json_array_foreach(files, i, file)
	{
		if (i == shown)
			break;
		tl_cmd_size(json_integer_value(json_object_get(file, "size")), size);
		printf("  %10s  ", size);
		tl_cmd_print_text(json_string_value(json_object_get(file, "path")));
		putchar('\n');
	}
	if (total > i)
		printf("  … and %zu more\n", total - i);
}

static void show_redactions(const json_t *bundle)
{
	json_t *redactions = json_object_get(bundle, "redactions");
	const char *rule;
	json_t *count;

	if (json_object_size(redactions) == 0) {
		printf("Nothing needed to be removed from it.\n");
		return;
	}
	printf("Removed or replaced before anything was written:\n");
	json_object_foreach(redactions, rule, count)
	{
		printf("  %10lld  ", (long long)json_integer_value(count));
		tl_cmd_print_text(rule);
		putchar('\n');
	}
}

void cmd_help_show(const json_t *bundle, const char *relay, const char *summary)
{
	int64_t errors = json_integer_value(json_object_get(bundle, "errors"));
	char size[32];

	tl_cmd_size(json_integer_value(json_object_get(bundle, "size")), size);
	printf("\nThis would be sent to %s:\n", relay);
	printf("  what you said: ");
	tl_cmd_print_text(summary);
	printf("\n  a bundle of %zu files, %s packed:\n",
	       json_array_size(json_object_get(bundle, "files")) +
		       (size_t)json_integer_value(json_object_get(bundle, "files_omitted")),
	       size);
	cmd_help_show_files(bundle, FILES_SHOWN);
	show_redactions(bundle);
	if (errors > 0)
		printf("%lld things could not be collected; the bundle says which and why.\n",
		       (long long)errors);
	putchar('\n');
}

static int run_inspect(int fd, const char *const *argv, struct tl_err *err)
{
	const int fds[] = {fd, STDOUT_FILENO};
	char program[PATH_MAX];
	pid_t pid = -1;
	int status;
	int rc = tl_program_path("towline-bundle", program, err);

	fflush(stdout);
	if (rc == 0)
		rc = tl_program_start(&(struct tl_program_start){.path = program,
								 .argv = argv,
								 .fds = fds,
								 .fd_count = 2},
				      &pid, err);
	if (rc != 0)
		return rc;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0; /* it said itself what was wrong */
}

int cmd_help_show_member(int fd, const char *path, struct tl_err *err)
{
	const char *const argv[] = {"towline-agent", "inspect", "--show", path, "--", "-", NULL};

	return run_inspect(fd, argv, err);
}

int cmd_help_show_rule(int fd, const char *rule, struct tl_err *err)
{
	char text[256];
	const char *const argv[] = {
		"towline-agent", "inspect", "--max", SAMPLES, "--search", text, "--", "-", NULL};

	snprintf(text, sizeof(text), "[redacted:%s]", rule);
	return run_inspect(fd, argv, err);
}
