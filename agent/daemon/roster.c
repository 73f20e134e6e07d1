#include "daemon/roster.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/roster.h>

#include "daemon/agent.h"

#define FETCH_MS 30000
#define DOCUMENT_MAX (2 * TL_ROSTER_MAX + 2 * TL_SSHSIG_MAX)

static void on_taken(void *arg, const json_t *result, const struct tl_err *err)
{
	struct tl_agent *agent = arg;

	(void)result;
	/* One that is refused is refused again: only the relay can publish a better one. */
	if (err && err->code != TL_EUNREACH)
		tl_log_warning("the helper does not take the relay's roster", TL_ERR(err));
	agent->roster_due = err && err->code == TL_EUNREACH;
}

/* Memory that nobody can change any more. */
static int seal(const json_t *document, int *ret_fd)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(DOCUMENT_MAX);
	tl_fd int fd = memfd_create("towline-roster", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	tl_json_write(&text, document);
	if (fd < 0 || tl_buf_check(&text) || tl_fs_write_all(fd, text.data, text.len, NULL) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return TL_EIO;
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

static void on_answer(void *arg, const struct tl_reply *reply)
{
	struct tl_agent *agent = arg;
	tl_fd int fd = -1;

	agent->roster_call = NULL;
	agent->roster_due = reply->status == 0 || reply->status >= 500;
	if (reply->status != 200 || !reply->json)
		return; /* the relay has none, or does not know of any */
	if (seal(reply->json, &fd) != 0) {
		tl_log_warning("the roster cannot be handed to the helper");
		return;
	}
	tl_link_call(agent->link, "roster.take", NULL, &fd, 1, on_taken, agent);
}

void tl_agent_roster_fetch(struct tl_agent *agent)
{
	if (agent->roster_call)
		tl_call_cancel(agent->roster_call);
	agent->roster_due = true;
	agent->roster_call =
		tl_relay_call(agent->relay, &(struct tl_call_spec){.method = "GET",
								   .path = "/v1/roster",
								   .timeout_ms = FETCH_MS,
								   .on_done = on_answer,
								   .arg = agent});
}

void tl_agent_roster_retry(struct tl_agent *agent)
{
	if (agent->roster_due && !agent->roster_call)
		tl_agent_roster_fetch(agent);
}

void tl_agent_roster_close(struct tl_agent *agent)
{
	tl_call_cancel(agent->roster_call);
	agent->roster_call = NULL;
}
