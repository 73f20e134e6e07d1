/* The second step of a login: a code, checked by the desk. */
#include <stdio.h>
#include <string.h>
#include <towline/log.h>

#include "ssh/front_private.h"

struct tl_code_job {
	struct tl_guest *guest; /* NULL: left meanwhile */
	struct tl_ssh_front *front;
	struct tl_engineer engineer;
	char address[TL_ADDRESS_TEXT];
	char code[TL_SSH_CODE_MAX + 1];
	struct tl_err err;
};

static void work_code(void *worker, void *arg, struct tl_err *err)
{
	struct tl_code_job *job = arg;
	int rc = job->front->office.code(worker, &job->engineer, job->code, job->address, err);

	if (rc != 0 && err->code == 0)
		tl_err_set(err, rc, "the code cannot be checked");
}

static void on_code_done(void *arg)
{
	struct tl_code_job *job = arg;
	struct tl_guest *guest = job->guest;

	if (guest) {
		guest->code_job = NULL;
		if (job->err.code)
			tl_log_warning("second factor refused",
				       TL_S("engineer", guest->engineer.login),
				       TL_S("address", guest->address), TL_ERR(&job->err));
		tl_ssh_server_verdict(guest->server,
				      job->err.code ? TL_SSH_REFUSED : TL_SSH_WELCOME);
	}
	tl_wipe(job->code, sizeof(job->code));
	free(job);
}

void tl_guest_code(void *arg, const char *code)
{
	struct tl_guest *guest = arg;
	struct tl_code_job *job = calloc(1, sizeof(*job));

	if (!job || !guest->front->office.code) {
		free(job);
		tl_ssh_server_verdict(guest->server, TL_SSH_REFUSED);
		return;
	}
	job->guest = guest;
	job->front = guest->front;
	job->engineer = guest->engineer;
	snprintf(job->address, sizeof(job->address), "%s", guest->address);
	snprintf(job->code, sizeof(job->code), "%s", code);
	guest->code_job = job;
	tl_front_job(guest->front, work_code, on_code_done, job, &job->err);
}

void tl_code_job_forget(struct tl_code_job *job)
{
	if (job)
		job->guest = NULL;
}
