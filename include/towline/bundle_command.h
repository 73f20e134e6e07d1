/* The commands "inspect" and "diff": rows of towline-agent's table and of towline-bundle's, which carries
 * them out; towline has them as "bundle inspect" and "bundle diff". */
#ifndef TOWLINE_BUNDLE_COMMAND_H
#define TOWLINE_BUNDLE_COMMAND_H

#include <towline/cli.h>

#define TL_BUNDLE_KEY_OPTIONS \
	{0, "key", "FILE", "The private key (PEM) that opens a sealed bundle."}, \
	{ \
		0, "cert", "FILE", "The certificate (PEM) that it was sealed to." \
	}

static const struct tl_cli_option tl_bundle_inspect_options[] = {
	TL_BUNDLE_KEY_OPTIONS,
	{0, "json", NULL, "Print JSON, for programs."},
	{0, "max", "NUMBER", "Print so many lines of a search at most."},
	{'s', "search", "TEXT", "Print the lines of all members that hold TEXT, as file:line."},
	{0, "regex", "EXPR", "As --search, by a POSIX extended regular expression."},
	{0, "show", "MEMBER", "Print one member."},
	{0, "verify", NULL, "Check the bundle, and its --signature, and say so."},
	{0, "signature", "FILE", "The bundle's signature, as the relay has it."},
	{0, "host-key", "KEY", "The host's public key, base64url: who signed."},
	{0},
};

static const struct tl_cli_option tl_bundle_diff_options[] = {
	TL_BUNDLE_KEY_OPTIONS,
	{'a', "all", NULL, "Also what moves by itself: counters, processes, small changes."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};

#define TL_BUNDLE_INSPECT_COMMAND(name, run) \
	{ \
		name, "BUNDLE", 1, 1, "check a bundle and show what is in it", \
			"Verifies the bundle against its own index, then shows the manifest, the " \
			"files, the findings, what was redacted, and what could not be " \
			"collected. " \
			"With --search or --regex the exit status is 1 when no line was found.", \
			tl_bundle_inspect_options, run \
	}

#define TL_BUNDLE_DIFF_COMMAND(name, run) \
	{ \
		name, "BEFORE AFTER", 2, 2, "show what changed between two snapshots", \
			"Each is a bundle, the directory of an unpacked bundle, or a snapshot as " \
			"\"towline-agent health --json\" prints it. What was not collected on " \
			"one " \
			"side is shown as unknown, never as gone. The exit status is 0 when they " \
			"are the same, 1 when they differ, 2 when they cannot be compared.", \
			tl_bundle_diff_options, run \
	}

/* Looks for secrets in the bundle read from `fd`, by other rules than it was made with; says what it found. */
typedef int tl_bundle_second_look(int fd, struct tl_err *err);

/* What the commands do (part of towline_bundle). *ret_status is the exit status that they end with when they
 * succeed: 0 or 1. `second_look`
 * belongs to --verify; may be NULL. */
TL_MUST_CHECK int tl_bundle_command_inspect(const struct tl_cli *cli,
					    tl_bundle_second_look *second_look, int *ret_status,
					    struct tl_err *err);
TL_MUST_CHECK int tl_bundle_command_diff(const struct tl_cli *cli, int *ret_status,
					 struct tl_err *err);

#endif
