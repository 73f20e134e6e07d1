/* What the command "health" can tell of the agent where there is one on this machine and its state may be read.
 */
#ifndef TOWLINE_HEALTH_LOCAL_H
#define TOWLINE_HEALTH_LOCAL_H

#include "health/health.h"

struct health_local {
	char relay_host[256], ca_file[4096];
};

/* `config` is the agent's configuration; NULL: the default one, if it is there. Fills *ret_agent with what
 * points into *local. Fails only on a configuration that was named and is not valid. */
TL_MUST_CHECK int health_local_load(const char *config, struct health_local *local,
				    struct tl_health_agent *ret_agent, struct tl_err *err);

#endif
