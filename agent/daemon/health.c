#include "daemon/health.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/program.h>

static void drop(int *fd)
{
	if (*fd >= 0)
		close(tl_steal_fd(fd));
}

static void on_deadline(uv_timer_t *timer)
{
	struct tl_agent_health *health = timer->data;

	tl_log_warning("the health of this machine could not be taken in time");
	kill(health->pid, SIGKILL); /* reaped as any other end */
}

/* Only here does the state change. What was under way is over in each of them but TAKING. */
static void enter(struct tl_agent_health *health, enum tl_agent_health_state state)
{
	health->state = state;
	if (state == TL_HEALTH_TAKING) {
		uv_timer_start(&health->deadline, on_deadline, TL_AGENT_HEALTH_DEADLINE_MS, 0);
		return;
	}
	uv_timer_stop(&health->deadline);
	health->pid = 0;
	drop(&health->out_fd);
	if (state == TL_HEALTH_IDLE)
		drop(&health->next_fd);
}

void tl_agent_health_init(struct tl_agent_health *health,
			  const struct tl_agent_health_options *options)
{
	*health = (struct tl_agent_health){.options = *options,
					   .out_fd = -1,
					   .next_fd = -1,
					   .state_fd = -1};
	uv_timer_init(options->loop, &health->deadline);
	health->deadline.data = health;
}

bool tl_agent_health_is_due(const struct tl_agent_health *health)
{
	return health->options.interval_ms > 0 && health->state == TL_HEALTH_IDLE &&
	       !health->is_refused && tl_clock_mono_ms(health->options.clock) >= health->due_ms;
}

static int memory_file(const char *name, int *ret_fd, struct tl_err *err)
{
	*ret_fd = memfd_create(name, MFD_CLOEXEC);
	return *ret_fd < 0 ? tl_err_sys(err, TL_EIO, errno, "no memory file can be made") : 0;
}

static int start(struct tl_agent_health *health, const json_t *facts, struct tl_err *err)
{
	static const char *const argv[] = {"towline-health", "feed", NULL};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(16 * 1024);
	char path[PATH_MAX];
	tl_fd int in = -1;
	int r = tl_program_path("towline-health", path, err);

	if (r == 0)
		r = memory_file("health-in", &in, err);
	if (r == 0)
		r = memory_file("health-out", &health->out_fd, err);
	if (r == 0)
		r = memory_file("health-next", &health->next_fd, err);
	tl_json_write(&text, facts);
	if (r == 0)
		r = tl_fs_write_all(in, text.data, text.len, err);
	if (r < 0)
		return r;
	lseek(in, 0, SEEK_SET);
	if (health->state_fd >= 0)
		lseek(health->state_fd, 0, SEEK_SET);
	return tl_program_start(
		&(struct tl_program_start){.path = path,
					   .argv = argv,
					   .fds = (const int[]){in, health->out_fd, STDERR_FILENO,
								health->state_fd, health->next_fd},
					   .fd_count = 5},
		&health->pid, err);
}

bool tl_agent_health_take(struct tl_agent_health *health, const json_t *facts)
{
	struct tl_err err = TL_ERR_INIT;

	if (health->state != TL_HEALTH_IDLE)
		return false;
	health->due_ms = tl_clock_mono_ms(health->options.clock) + health->options.interval_ms;
	if (++health->since_full >= TL_AGENT_HEALTH_FULL_EVERY)
		drop(&health->state_fd);
	if (start(health, facts, &err) < 0) {
		tl_log_error("the health of this machine cannot be taken", TL_ERR(&err));
		enter(health, TL_HEALTH_IDLE);
		return false;
	}
	enter(health, TL_HEALTH_TAKING);
	return true;
}

static json_t *read_answer(int fd)
{
	tl_free char *text = NULL;
	json_t *answer = NULL;
	struct stat file;

	if (fstat(fd, &file) != 0 || file.st_size <= 0 || file.st_size > TL_AGENT_HEALTH_BYTES_MAX)
		return NULL;
	text = malloc((size_t)file.st_size);
	if (!text || pread(fd, text, (size_t)file.st_size, 0) != file.st_size ||
	    tl_json_parse(text, (size_t)file.st_size, &answer, NULL) != 0)
		return NULL;
	if (json_is_object(answer))
		return answer;
	json_decref(answer);
	return NULL;
}

void tl_agent_health_reap(struct tl_agent_health *health)
{
	tl_json *answer = NULL;
	int status;

	if (health->state != TL_HEALTH_TAKING ||
	    waitpid(health->pid, &status, WNOHANG) != health->pid)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		answer = read_answer(health->out_fd);
	if (answer) {
		if (json_is_true(json_object_get(answer, "full")))
			health->since_full = 0;
		json_object_set_new(answer, "seq", json_integer(++health->seq));
	} else {
		tl_log_warning("towline-health has told nothing");
	}
	enter(health, answer ? TL_HEALTH_TOLD : TL_HEALTH_IDLE);
	health->options.on_taken(health->options.arg, answer);
}

void tl_agent_health_answered(struct tl_agent_health *health, enum tl_agent_health_answer answer)
{
	if (health->state != TL_HEALTH_TOLD)
		return;
	drop(&health->state_fd);
	if (answer == TL_HEALTH_TAKEN && !health->is_forgotten)
		health->state_fd = tl_steal_fd(&health->next_fd);
	health->is_refused = answer == TL_HEALTH_REFUSED;
	health->is_forgotten = false;
	enter(health, TL_HEALTH_IDLE);
}

void tl_agent_health_forget(struct tl_agent_health *health)
{
	drop(&health->state_fd);
	health->due_ms = 0;
	health->is_refused = false;
	health->is_forgotten = health->state != TL_HEALTH_IDLE;
}

void tl_agent_health_close(struct tl_agent_health *health)
{
	if (health->state == TL_HEALTH_TAKING) {
		kill(health->pid, SIGKILL);
		waitpid(health->pid, NULL, WNOHANG); /* the agent ends; init reaps */
	}
	enter(health, TL_HEALTH_IDLE);
	drop(&health->state_fd);
	if (!uv_is_closing((uv_handle_t *)&health->deadline))
		uv_close((uv_handle_t *)&health->deadline, NULL);
}
