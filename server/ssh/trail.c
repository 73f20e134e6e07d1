/* Logins, and what was refused of people who are known, on the audit trail. A stranger's key is in the log alone:
 * strangers write no rows. */
#include <stdio.h>
#include <string.h>
#include <towline/log.h>

#include "ssh/front_private.h"

struct note_job {
	struct tl_ssh_front *front;
	struct tl_login_note note;
	struct tl_err err;
};

static void work_note(void *worker, void *arg, struct tl_err *err)
{
	struct note_job *job = arg;
	int rc = job->front->office.note(worker, &job->note, err);

	(void)rc; /* stands in err */
}

static void on_noted(void *arg)
{
	struct note_job *job = arg;

	if (job->err.code)
		tl_log_error("a login is not on the audit trail", TL_ERR(&job->err));
	free(job);
}

static struct note_job *job_new(const struct tl_guest *guest)
{
	struct note_job *job = guest->front->office.note ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return NULL;
	job->front = guest->front;
	snprintf(job->note.address, sizeof(job->note.address), "%s", guest->address);
	return job;
}

void tl_trail_login(const struct tl_guest *guest)
{
	struct note_job *job = job_new(guest);

	if (!job)
		return;
	job->note.is_login = true;
	snprintf(job->note.login, sizeof(job->note.login), "%s", guest->engineer.login);
	snprintf(job->note.certificate, sizeof(job->note.certificate), "%s", guest->certificate_id);
	tl_front_job(guest->front, work_note, on_noted, job, &job->err);
}

void tl_trail_refusal(struct tl_guest *guest, const char *login, const char *certificate,
		      const char *reason)
{
	struct note_job *job;

	/* Once a connection, and not for ever: who floods is in the log. */
	if ((!*login && !*certificate) || guest->is_noted ||
	    tl_throttle_wait_s(guest->front->failures, guest->network) > 0)
		return;
	job = job_new(guest);
	if (!job)
		return;
	guest->is_noted = true;
	snprintf(job->note.login, sizeof(job->note.login), "%s", login);
	snprintf(job->note.certificate, sizeof(job->note.certificate), "%s", certificate);
	snprintf(job->note.reason, sizeof(job->note.reason), "%s", reason);
	tl_front_job(guest->front, work_note, on_noted, job, &job->err);
}
