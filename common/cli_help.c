/* What a command line's tables say to people: usage, help and man page sections. */
#include "cli_parse.h"
#include "page.h"
#include "suggest.h"
#include <string.h>
#include <towline/buf.h>

#define COLUMN_MAX 26 /* of the second column */

const struct tl_cli_command *cli_bare_command(const struct tl_cli_program *program)
{
	for (size_t i = 0; i < program->command_count; i++)
		if (!program->commands[i].name)
			return &program->commands[i];
	return NULL;
}

/* How many of `words` the name takes when it is made of the first of them, else 0. */
static size_t words_taken(const char *name, char *const *words, size_t count)
{
	size_t taken = 0;

	while (taken < count) {
		size_t len = strcspn(name, " ");

		if (strlen(words[taken]) != len || memcmp(words[taken], name, len) != 0)
			return 0;
		taken++;
		if (name[len] == '\0')
			return taken;
		name += len + 1;
	}
	return 0;
}

const struct tl_cli_command *cli_find_command(const struct tl_cli_program *program,
					      char *const *words, size_t count, size_t *ret_used)
{
	const struct tl_cli_command *best = NULL;
	size_t best_taken = 0;

	for (size_t i = 0; i < program->command_count; i++) {
		const char *name = program->commands[i].name;
		size_t taken = name ? words_taken(name, words, count) : 0;

		if (taken > best_taken) {
			best = &program->commands[i];
			best_taken = taken;
		}
	}
	if (best)
		*ret_used = best_taken;
	return best;
}

static bool has_first_word(const char *name, const char *word)
{
	size_t len = strlen(word);

	return strncmp(name, word, len) == 0 && name[len] == ' ';
}

int cli_unknown_command(const struct tl_cli_program *program, const char *word, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf second = TL_BUF_INIT(200);
	struct suggest suggest;

	suggest_init(&suggest, word);
	for (size_t i = 0; i < program->command_count; i++) {
		const char *name = program->commands[i].name;

		if (!name)
			continue;
		suggest_offer(&suggest, name, strlen(name));
		suggest_offer(&suggest, name, strcspn(name, " "));
		if (has_first_word(name, word))
			tl_buf_printf(&second, "%s%s", second.len ? ", " : "",
				      name + strlen(word) + 1);
	}
	if (second.len)
		return tl_err_set(err, TL_EUSAGE, "%s takes one of: %s", word, tl_buf_str(&second));
	if (suggest.best)
		return tl_err_set(err, TL_EUSAGE,
				  "unknown command \"%.64s\": did you mean \"%.*s\"?", word,
				  (int)suggest.best_len, suggest.best);
	return tl_err_set(err, TL_EUSAGE, "unknown command \"%.64s\"; \"%s help\" lists them", word,
			  program->name);
}

void cli_print_usage(const struct tl_cli_program *program, const struct tl_cli_command *command,
		     FILE *out)
{
	if (!command) {
		fprintf(out, "Usage: %s COMMAND [OPTION]... [ARGUMENT]...\n", program->name);
		return;
	}
	fprintf(out, "Usage: %s%s%s [OPTION]...%s%s\n", program->name, command->name ? " " : "",
		command->name ? command->name : "", command->operands ? " " : "",
		command->operands ? command->operands : "");
}

static void print_row(FILE *out, const char *left, const char *right)
{
	char margin[COLUMN_MAX + 1];
	size_t len = strlen(left);

	snprintf(margin, sizeof margin, "%*s", COLUMN_MAX, "");
	fputs(left, out);
	if (len + 2 > COLUMN_MAX) {
		fputc('\n', out);
		len = 0;
	}
	fprintf(out, "%*s", (int)(COLUMN_MAX - len), "");
	page_wrap(out, margin, COLUMN_MAX, right);
}

static void print_options(FILE *out, const struct tl_cli_option *row)
{
	for (; row && row->long_name; row++) {
		char left[96], letter[8] = "    ";

		if (row->short_name)
			snprintf(letter, sizeof letter, "-%c, ", row->short_name);
		snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->long_name,
			 row->value ? "=" : "", row->value ? row->value : "");
		print_row(out, left, row->help);
	}
}

static void print_commands(FILE *out, const struct tl_cli_program *program)
{
	fputs("\nCommands:\n", out);
	for (size_t i = 0; i < program->command_count; i++) {
		char left[96];

		if (!program->commands[i].name)
			continue;
		snprintf(left, sizeof left, "  %s", program->commands[i].name);
		print_row(out, left, program->commands[i].summary);
	}
	fprintf(out, "\n\"%s help COMMAND\" says more of each.\n", program->name);
}

static bool has_named_commands(const struct tl_cli_program *program)
{
	for (size_t i = 0; i < program->command_count; i++)
		if (program->commands[i].name)
			return true;
	return false;
}

static void print_paragraphs(FILE *out, const char *text)
{
	if (!text)
		return;
	fputc('\n', out);
	page_wrap(out, "", 0, text);
}

static void print_program_help(FILE *out, const struct tl_cli_program *program)
{
	fprintf(out, "\n%s.\n", program->summary);
	print_paragraphs(out, program->help);
}

static void print_command_help(FILE *out, const struct tl_cli_command *command)
{
	if (command->name)
		fprintf(out, "\n%s.\n", command->summary);
	print_paragraphs(out, command->help);
}

void cli_print_help(const struct tl_cli_program *program, const struct tl_cli_command *command,
		    FILE *out)
{
	bool whole = !command || !command->name;

	cli_print_usage(program, command, out);
	if (command && whole && has_named_commands(program))
		cli_print_usage(program, NULL, out);
	if (whole)
		print_program_help(out, program);
	if (command)
		print_command_help(out, command);
	if (whole && has_named_commands(program))
		print_commands(out, program);
	fputs("\nOptions:\n", out);
	if (command)
		print_options(out, command->options);
	print_options(out, program->options);
	print_row(out, "  -h, --help", "Show this help.");
	print_row(out, "      --version", "Show the version.");
}

static void mdoc_options(FILE *out, const struct tl_cli_option *row)
{
	for (; row->long_name; row++) {
		fputs(".It", out);
		if (row->short_name)
			fprintf(out, " Fl %c ,", row->short_name);
		fputs(" Fl \\-", out);
		page_mdoc_word(out, row->long_name);
		if (row->value)
			fprintf(out, " Ns = Ns Ar %s", row->value);
		fputc('\n', out);
		page_mdoc(out, row->help);
	}
}

static void mdoc_option_list(FILE *out, const struct tl_cli_option *options)
{
	if (!options || !options->long_name)
		return;
	fputs(".Bl -tag -width Ds\n", out);
	mdoc_options(out, options);
	fputs(".El\n", out);
}

static void mdoc_command(FILE *out, const struct tl_cli_command *command)
{
	fprintf(out, ".It Cm %s", command->name);
	if (command->operands) {
		fputs(" Ar ", out);
		page_mdoc_word(out, command->operands);
	}
	fprintf(out, "\n%s.\n", command->summary);
	if (command->help) {
		fputs(".Pp\n", out);
		page_mdoc(out, command->help);
	}
	mdoc_option_list(out, command->options);
}

void tl_cli_print_mdoc(const struct tl_cli_program *program, FILE *out)
{
	const struct tl_cli_command *bare = cli_bare_command(program);
	static const struct tl_cli_option own[] = {
		{'h', "help", NULL, "Show help for the program or the command."},
		{0, "version", NULL, "Show the version."},
		{0, NULL, NULL, NULL},
	};

	if (has_named_commands(program)) {
		fputs(".Sh COMMANDS\n.Bl -tag -width Ds\n", out);
		for (size_t i = 0; i < program->command_count; i++)
			if (program->commands[i].name)
				mdoc_command(out, &program->commands[i]);
		fputs(".El\n", out);
	}
	fputs(".Sh OPTIONS\n.Bl -tag -width Ds\n", out);
	if (bare && bare->options)
		mdoc_options(out, bare->options);
	if (program->options)
		mdoc_options(out, program->options);
	mdoc_options(out, own);
	fputs(".El\n", out);
}
