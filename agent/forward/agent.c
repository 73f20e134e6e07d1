#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "forward/forward.h"

int tl_forward_agent_open(struct tl_forward_agent *ret_agent, struct tl_err *err)
{
	struct tl_forward_agent agent = {.directory = "/tmp/towline-XXXXXXXXXX", .fd = -1};
	struct sockaddr_un place = {.sun_family = AF_UNIX};

	if (!mkdtemp(agent.directory)) /* 0700 */
		return tl_err_sys(err, TL_EIO, errno, "no directory for the ssh-agent's socket");
	snprintf(agent.path, sizeof(agent.path), "%s/agent", agent.directory);
	snprintf(place.sun_path, sizeof(place.sun_path), "%s", agent.path);
	agent.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (agent.fd < 0 || bind(agent.fd, (const struct sockaddr *)&place, sizeof(place)) != 0 ||
	    chmod(agent.path, 0600) != 0 || listen(agent.fd, TL_FORWARD_BACKLOG) != 0) {
		int rc = tl_err_sys(err, TL_EIO, errno, "no socket for the ssh-agent");

		tl_forward_agent_close(&agent);
		return rc;
	}
	*ret_agent = agent;
	return 0;
}

void tl_forward_agent_close(struct tl_forward_agent *agent)
{
	(void)unlink(agent->path);
	(void)rmdir(agent->directory);
	if (agent->fd >= 0)
		close(agent->fd);
	agent->fd = -1;
}
