/* Intake: a bundle's own claims, checked by a child process with tight limits (towline-intake), since
 * unpacking what an endpoint sent is where a hostile bundle would strike. Workers only. */
#ifndef TOWLINE_SERVER_INTAKE_H
#define TOWLINE_SERVER_INTAKE_H

#include <towline/err.h>
#include <towline/json.h>

#define TL_INTAKE_OUTPUT_MAX (16 * 1024 * 1024)
/* At once: a bundle that takes its time must not take every worker. */
#define TL_INTAKES_MAX 2
#define TL_INTAKE_TIMEOUT_MS 600000

/* Runs `program` with `fd` as its input. 0: *ret_facts is its line {"ok":true,…} (the caller's to
 * release); TL_EINVAL with the child's sentence when it refuses the bundle or breaks its limits;
 * TL_EIO when the child itself could not do its work: the bundle may then be tried again. */
TL_MUST_CHECK int tl_intake_run(const char *program, int fd, json_t **ret_facts,
				struct tl_err *err);

#endif
