/* The command "redact". */
#ifndef TOWLINE_REDACT_FILTER_H
#define TOWLINE_REDACT_FILTER_H

#include <towline/cli.h>

#include "redact/identity.h"
#include "redact/redact.h"

#define REDACT_SITE_DIR "/etc/towline/redact.d"

/* A row's `run`. */
int redact_command(const struct tl_cli *cli, struct tl_err *err);

/* What a run of the command redacts with. */
struct redaction {
	struct tl_redact_rules *rules;
	struct tl_identities *identities; /* NULL below the level identities */
	enum tl_redact_level level;
};
void redaction_clear(struct redaction *redaction);
TL_DEFINE_AUTO(redaction, redaction_clear);

TL_MUST_CHECK int redaction_redactor(const struct redaction *redaction,
				     struct tl_redactor **ret_redactor, struct tl_err *err);

#endif
