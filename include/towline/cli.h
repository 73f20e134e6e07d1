/* Command lines: programs are tables of commands with tables of options. `--help`, `help COMMAND`,
 * usage errors and the man pages' option lists are made from the tables. A program with a command
 * "check-config" also takes it as the option --check-config. Main thread. */
#ifndef TOWLINE_CLI_H
#define TOWLINE_CLI_H

#include <stdbool.h>
#include <stdio.h>
#include <towline/attr.h>
#include <towline/err.h>

struct tl_cli; /* a parsed command line */

struct tl_cli_option {
	char short_name;       /* 0: none */
	const char *long_name; /* without dashes */
	const char *value;     /* name of the value, NULL for a switch */
	const char *help;      /* one sentence */
};

struct tl_cli_command {
	const char *name;		/* "ticket show"; NULL: the program without a command */
	const char *operands;		/* "TICKET [FILE]", NULL: none */
	int min_operands, max_operands; /* max -1: any number */
	const char *summary;		/* one line, no full stop */
	const char *help;		/* paragraphs, examples; NULL: none */
	const struct tl_cli_option
		*options; /* ends with a row whose long_name is NULL; may be NULL */
	/* Returns 0 or a TL_E* code with its sentence in err; tl_cli_main prints and maps it. */
	int (*run)(const struct tl_cli *cli, struct tl_err *err);
};

struct tl_cli_program {
	const char *name;
	const char *summary;
	const char *help;
	const struct tl_cli_option *options; /* valid with each command */
	const struct tl_cli_command *commands;
	size_t command_count;
};

/* Parses, answers --help, --version and --mdoc (tl_cli_print_mdoc, for the build), runs the command. Returns the exit status. On failure prints
 * "NAME: sentence" on stderr; usage errors (64) add the usage line. */
int tl_cli_main(const struct tl_cli_program *program, int argc, char **argv);

/* The option's value; "" for a switch that is given; NULL when not given. */
const char *tl_cli_get(const struct tl_cli *cli, const char *long_name);
bool tl_cli_has(const struct tl_cli *cli, const char *long_name);
/* The values of an option that may be given several times, in their order; NULL beyond the last. */
const char *tl_cli_get_nth(const struct tl_cli *cli, const char *long_name, size_t index);
size_t tl_cli_operand_count(const struct tl_cli *cli);
/* NULL beyond the last. */
const char *tl_cli_operand(const struct tl_cli *cli, size_t index);
/* The words that main() was given, NULL at their end: for a command that another program carries out. */
char **tl_cli_argv(const struct tl_cli *cli);

/* The COMMANDS and OPTIONS sections of the program's man page (mdoc). */
void tl_cli_print_mdoc(const struct tl_cli_program *program, FILE *out);

#endif
