#include "health/local.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/config.h"
#include "core/identity.h"

int health_local_load(const char *config_path, struct health_local *local,
		      struct tl_health_agent *ret_agent, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	struct tl_identity identity;
	int r = tl_agent_config_load(config_path, &config, config_path ? err : NULL);
	tl_fd int state_fd = -1;

	if (r < 0)
		return config_path ? r : 0;
	state_fd = open(config.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state_fd < 0 || tl_identity_load(state_fd, &identity, NULL) < 0)
		return 0;
	tl_identity_relay_host(&identity, local->relay_host);
	snprintf(local->ca_file, sizeof local->ca_file, "%s/" TL_IDENTITY_CA_FILE,
		 config.state_dir);
	ret_agent->relay_host = local->relay_host;
	ret_agent->ca_file = local->ca_file;
	return 0;
}
