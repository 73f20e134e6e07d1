#include <towline/cli.h>

#include "cli_parse.h"
#include "suggest.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <towline/program.h>
#include <towline/str.h>

struct given {
	const struct tl_cli_option *option;
	const char *value;
};

struct tl_cli {
	const struct tl_cli_program *program;
	const struct tl_cli_command *command;
	char **argv;
	struct given *given;
	size_t given_count;
	char **operands; /* point into argv */
	size_t operand_count;
	bool wants_help, wants_version, wants_mdoc;
};

static void cli_clear(struct tl_cli *cli)
{
	free(cli->given);
	free(cli->operands);
}
TL_DEFINE_AUTO(tl_cli, cli_clear);

static const struct tl_cli_option own_options[] = {
	{'h', "help", NULL, "Show this help."},
	{0, "version", NULL, "Show the version."},
	{0, "mdoc", NULL, "Print the man page's sections."},
	{0, NULL, NULL, NULL},
};

/* The tables that hold for a command line, nearest first. */
#define TABLES 3
static void tables_of(const struct tl_cli *cli, const struct tl_cli_option *tables[static TABLES])
{
	tables[0] = cli->command && cli->command->options
			    ? cli->command->options
			    : &own_options[TL_ARRAY_LEN(own_options) - 1];
	tables[1] = cli->program->options ? cli->program->options
					  : &own_options[TL_ARRAY_LEN(own_options) - 1];
	tables[2] = own_options;
}

static const struct tl_cli_option *find_long(const struct tl_cli *cli, const char *name, size_t len)
{
	const struct tl_cli_option *tables[TABLES];

	tables_of(cli, tables);
	for (size_t t = 0; t < TABLES; t++)
		for (const struct tl_cli_option *row = tables[t]; row->long_name; row++)
			if (strlen(row->long_name) == len && memcmp(row->long_name, name, len) == 0)
				return row;
	return NULL;
}

static const struct tl_cli_option *find_short(const struct tl_cli *cli, char name)
{
	const struct tl_cli_option *tables[TABLES];

	tables_of(cli, tables);
	for (size_t t = 0; t < TABLES; t++)
		for (const struct tl_cli_option *row = tables[t]; row->long_name; row++)
			if (row->short_name == name)
				return row;
	return NULL;
}

static int unknown_option(const struct tl_cli *cli, const char *word, size_t len,
			  struct tl_err *err)
{
	const struct tl_cli_option *tables[TABLES];
	struct suggest suggest;
	char name[64];

	snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), word + 2);
	suggest_init(&suggest, name);
	tables_of(cli, tables);
	for (size_t t = 0; t < TABLES; t++)
		for (const struct tl_cli_option *row = tables[t]; row->long_name; row++)
			suggest_offer(&suggest, row->long_name, strlen(row->long_name));
	if (suggest.best)
		return tl_err_set(err, TL_EUSAGE, "unknown option --%s: did you mean --%s?", name,
				  suggest.best);
	return tl_err_set(err, TL_EUSAGE, "unknown option --%s", name);
}

static void note(struct tl_cli *cli, const struct tl_cli_option *option, const char *value)
{
	if (option == &own_options[0])
		cli->wants_help = true;
	else if (option == &own_options[1])
		cli->wants_version = true;
	else if (option == &own_options[2])
		cli->wants_mdoc = true;
	else
		cli->given[cli->given_count++] = (struct given){option, value};
}

/* One word that starts with "--"; *at moves on when the value is the next word. */
static int take_long(struct tl_cli *cli, char **words, size_t count, size_t *at, struct tl_err *err)
{
	const char *word = words[*at], *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word - 2) : strlen(word) - 2;
	const struct tl_cli_option *option = find_long(cli, word + 2, len);

	if (!option)
		return unknown_option(cli, word, len, err);
	if (!option->value && equals)
		return tl_err_set(err, TL_EUSAGE, "option --%s takes no value", option->long_name);
	if (option->value && !equals && *at + 1 >= count)
		return tl_err_set(err, TL_EUSAGE, "option --%s needs a value: --%s=%s",
				  option->long_name, option->long_name, option->value);
	if (!option->value)
		note(cli, option, "");
	else
		note(cli, option, equals ? equals + 1 : words[++*at]);
	return 0;
}

/* One word of short options: "-v", "-vq", "-oVALUE", "-o VALUE". */
static int take_short(struct tl_cli *cli, char **words, size_t count, size_t *at,
		      struct tl_err *err)
{
	for (const char *letter = words[*at] + 1; *letter; letter++) {
		const struct tl_cli_option *option = find_short(cli, *letter);

		if (!option)
			return tl_err_set(err, TL_EUSAGE, "unknown option -%c", *letter);
		if (!option->value) {
			note(cli, option, "");
			continue;
		}
		if (letter[1]) {
			note(cli, option, letter + 1);
			return 0;
		}
		if (*at + 1 >= count)
			return tl_err_set(err, TL_EUSAGE, "option -%c needs a value: -%c %s",
					  *letter, *letter, option->value);
		note(cli, option, words[++*at]);
		return 0;
	}
	return 0;
}

static int take_words(struct tl_cli *cli, char **words, size_t count, struct tl_err *err)
{
	bool options_ended = false;

	for (size_t i = 0; i < count; i++) {
		int outcome = 0;

		if (options_ended || words[i][0] != '-' || words[i][1] == '\0')
			cli->operands[cli->operand_count++] = words[i];
		else if (strcmp(words[i], "--") == 0)
			options_ended = true;
		else if (words[i][1] == '-')
			outcome = take_long(cli, words, count, &i, err);
		else
			outcome = take_short(cli, words, count, &i, err);
		if (outcome)
			return outcome;
	}
	return 0;
}

/* Where the command's words begin: after the options that stand before them. */
static size_t skip_options(const struct tl_cli *cli, char **words, size_t count)
{
	size_t i = 0;

	for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
		const struct tl_cli_option *option;

		if (strcmp(words[i], "--") == 0)
			return count;
		if (words[i][1] == '-')
			option = find_long(cli, words[i] + 2, strcspn(words[i] + 2, "="));
		else
			option = words[i][2] ? NULL : find_short(cli, words[i][1]);
		if (option && option->value && !strchr(words[i], '='))
			i++;
	}
	return i < count ? i : count;
}

static void remove_words(char **words, size_t *count, size_t at, size_t how_many)
{
	memmove(words + at, words + at + how_many, (*count - at - how_many) * sizeof *words);
	*count -= how_many;
}

/* Chooses the command and takes its name out of the words. `help` counts as an option. */
static int choose_command(struct tl_cli *cli, char **words, size_t *count, struct tl_err *err)
{
	const struct tl_cli_command *command;
	size_t at, used = 0;

	cli->command = cli_bare_command(cli->program);
	at = skip_options(cli, words, *count);
	if (at < *count && strcmp(words[at], "help") == 0 &&
	    !cli_find_command(cli->program, words + at, *count - at, &used)) {
		cli->wants_help = true;
		remove_words(words, count, at, 1);
		at = skip_options(cli, words, *count);
	}
	if (at == *count)
		return 0;
	command = cli_find_command(cli->program, words + at, *count - at, &used);
	if (!command && (!cli->command || cli->wants_help))
		return cli_unknown_command(cli->program, words[at], err);
	if (!command)
		return 0;
	cli->command = command;
	remove_words(words, count, at, used);
	return 0;
}

static int check_operands(const struct tl_cli *cli, struct tl_err *err)
{
	const struct tl_cli_command *command = cli->command;

	if (cli->operand_count < (size_t)command->min_operands)
		return tl_err_set(err, TL_EUSAGE, "an argument is missing: %s",
				  command->operands ? command->operands : "");
	if (command->max_operands >= 0 && cli->operand_count > (size_t)command->max_operands)
		return tl_err_set(err, TL_EUSAGE, "unexpected argument \"%s\"",
				  cli->operands[command->max_operands]);
	return 0;
}

/* Daemons are asked to check their configuration by an option everywhere else: ours understand both. */
static void accept_check_config(const struct tl_cli_program *program, char **words, size_t count)
{
	char check_config[] = "check-config";
	char *const name[] = {check_config};
	size_t used;

	for (size_t i = 0; i < count && strcmp(words[i], "--") != 0; i++)
		if (strcmp(words[i], "--check-config") == 0 &&
		    cli_find_command(program, name, 1, &used))
			words[i] += strlen("--");
}

static int parse(struct tl_cli *cli, char **words, size_t count, struct tl_err *err)
{
	int outcome;

	accept_check_config(cli->program, words, count);
	outcome = choose_command(cli, words, &count, err);

	if (!outcome)
		outcome = take_words(cli, words, count, err);
	if (outcome || cli->wants_help || cli->wants_version || cli->wants_mdoc)
		return outcome;
	if (!cli->command)
		return tl_err_set(err, TL_EUSAGE, "a command is missing; \"%s help\" lists them",
				  cli->program->name);
	return check_operands(cli, err);
}

/* Output that was lost (a full disk, a closed pipe) is a failure of the command. */
static int flush(struct tl_err *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return tl_err_sys(err, TL_EIO, errno, "cannot write the output");
}

static int answer(const struct tl_cli *cli, struct tl_err *err)
{
	int outcome = 0;

	if (cli->wants_help)
		cli_print_help(cli->program, cli->command, stdout);
	else if (cli->wants_version)
		printf("%s %s\n", cli->program->name, TOWLINE_VERSION);
	else if (cli->wants_mdoc)
		tl_cli_print_mdoc(cli->program, stdout);
	else
		outcome = cli->command->run(cli, err);
	return outcome ? outcome : flush(err);
}

/* Each letter of a word may be an option. */
static size_t most_options(char *const *words, size_t count)
{
	size_t letters = 1;

	for (size_t i = 0; i < count; i++)
		letters += strlen(words[i]);
	return letters;
}

int tl_cli_main(const struct tl_cli_program *program, int argc, char **argv)
{
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	tl_free char **words = calloc(count + 1, sizeof *words);
	tl_auto(tl_cli) struct tl_cli cli = {
		.program = program,
		.argv = argv,
		.given = calloc(most_options(argv + 1, count), sizeof *cli.given),
		.operands = calloc(count + 1, sizeof *cli.operands),
	};
	struct tl_err err = TL_ERR_INIT;
	int outcome;

	tl_program_no_core();
	if (!words || !cli.given || !cli.operands)
		return tl_err_exit_status(TL_ENOMEM);
	if (count)
		memcpy(words, argv + 1, count * sizeof *words);
	outcome = parse(&cli, words, count, &err);
	if (!outcome)
		outcome = answer(&cli, &err);
	if (!outcome)
		return 0;
	err.code = outcome;
	fprintf(stderr, "%s: %s\n", program->name, tl_err_text(&err));
	if (outcome == TL_EUSAGE)
		cli_print_usage(program, cli.command, stderr);
	return tl_err_exit_status(outcome);
}

const char *tl_cli_get(const struct tl_cli *cli, const char *long_name)
{
	for (size_t i = cli->given_count; i > 0; i--)
		if (strcmp(cli->given[i - 1].option->long_name, long_name) == 0)
			return cli->given[i - 1].value;
	return NULL;
}

const char *tl_cli_get_nth(const struct tl_cli *cli, const char *long_name, size_t index)
{
	for (size_t i = 0; i < cli->given_count; i++)
		if (strcmp(cli->given[i].option->long_name, long_name) == 0 && index-- == 0)
			return cli->given[i].value;
	return NULL;
}

bool tl_cli_has(const struct tl_cli *cli, const char *long_name)
{
	return tl_cli_get(cli, long_name) != NULL;
}

size_t tl_cli_operand_count(const struct tl_cli *cli)
{
	return cli->operand_count;
}

const char *tl_cli_operand(const struct tl_cli *cli, size_t index)
{
	return index < cli->operand_count ? cli->operands[index] : NULL;
}

char **tl_cli_argv(const struct tl_cli *cli)
{
	return cli->argv;
}
