/* Between the two halves of towline/cli.h: parsing and help. */
#ifndef COMMON_CLI_PARSE_H
#define COMMON_CLI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <towline/cli.h>

#define CLI_WORDS_MAX 2 /* of a command's name */

/* The command whose name is the first one or two of `words`; *ret_used says how many. NULL: none. */
const struct tl_cli_command *cli_find_command(const struct tl_cli_program *program,
					      char *const *words, size_t count, size_t *ret_used);
/* The row without a name: what the program does without a command. NULL: none. */
const struct tl_cli_command *cli_bare_command(const struct tl_cli_program *program);

/* TL_EUSAGE with a suggestion, or with the second words that go with a first. */
int cli_unknown_command(const struct tl_cli_program *program, const char *word, struct tl_err *err);

/* `command` NULL: the whole program. */
void cli_print_usage(const struct tl_cli_program *program, const struct tl_cli_command *command,
		     FILE *out);
void cli_print_help(const struct tl_cli_program *program, const struct tl_cli_command *command,
		    FILE *out);

#endif
