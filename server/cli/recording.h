/* Recordings at the engineer's desk: fetched with their proof, or files with a proof beside them. One
 * thread. */
#ifndef TOWLINE_SERVER_CLI_RECORDING_H
#define TOWLINE_SERVER_CLI_RECORDING_H

#include "cli/api.h"

#include <stdio.h>

/* "/v1/sessions/SESSION/SUFFIX"; TL_EUSAGE for what is no session id. */
TL_MUST_CHECK int tl_session_path(const char *session, const char *suffix, struct tl_buf *path,
				  struct tl_err *err);

/* The recording named by `operand`: a file, or a session's, fetched into a temporary file, which the relay
 * puts on its audit trail. */
TL_MUST_CHECK int tl_recording_open(const struct tl_cli *cli, const char *operand, FILE **ret_file,
				    struct tl_err *err);
/* GET /v1/sessions/SESSION/proof: who sealed it, whose keys, what the relay countersigned. */
TL_MUST_CHECK int tl_recording_proof(const struct tl_cli *cli, const char *session,
				     json_t **ret_proof, struct tl_err *err);

/* Writes "H:MM:SS.mmm". */
void tl_print_offset(FILE *out, double seconds);

#endif
