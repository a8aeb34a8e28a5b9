# what is asked before the first job, and not of a plan, which needs no file of the user and takes no time


def planned_trainings(jobs):
    """What the training jobs are to train; the number of images is known once the data is."""
    dataset = Path(f"{FOLDER}/dataset.json")
    listed = json.loads(dataset.read_text())["lists"] if dataset.is_file() else {}
    planned = []
    for job in jobs:
        experiment, variant, split = (job.wildcards[name] for name in ("experiment", "variant", "split"))
        train = CONFIG.define.experiments[experiment].list_of("train", split)
        images = listed.get(train, {}).get("present")
        run = f"{CONFIG.dataset}/{experiment}/{variant}/{split}"
        planned.append(pace.Planned(run, CONFIG.training_settings(experiment, variant), images))
    return planned


onstart:
    if not DATASET.drawn and any(job.rule.name == "convert" for job in workflow.dag.needrun_jobs()):
        if DATASET.brought and (problem := DATASET.lacks(CONFIG.data.folder)):
            raise WorkflowError(problem)
    if trainings := [job for job in workflow.dag.needrun_jobs() if job.rule.name == "train"]:
        planned = planned_trainings(trainings)
        write_plan(Path("results/.resume"), planned)
        if not workflow.executor_plugin.common_settings.non_local_exec:
            if told := pace.foretell(planned, workflow.cores, max(job.threads for job in trainings)):
                logger.warning(told)
