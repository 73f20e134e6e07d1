/* What a person types and nobody else shall see. Main thread. */
#ifndef TOWLINE_SERVER_CLI_PROMPT_H
#define TOWLINE_SERVER_CLI_PROMPT_H

#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

/* Reads one line of standard input into `out` (a secret buffer), without showing it when a person types it
 * after `prompt` ("Thing: "). TL_EUSAGE when there is none, or blanks in it. */
TL_MUST_CHECK int tl_prompt_secret(const char *prompt, struct tl_buf *out, struct tl_err *err);

#endif
