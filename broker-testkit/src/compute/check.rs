//! Which fields of a Job may be there: those that are done, those that make no difference here, and no others.

use serde_json::Value;

/// The fields of one kind of object.
struct Fields {
    /// Done.
    known: &'static [&'static str],
    /// About where, and as whom, something runs.
    idle: &'static [&'static str],
}

const JOB: Fields = Fields {
    known: &[
        "activeDeadlineSeconds",
        "backoffLimit",
        "completionMode",
        "completions",
        "managedBy",
        "parallelism",
        "suspend",
        "template",
        "ttlSecondsAfterFinished",
    ],
    // One attempt is over before the next begins, whatever the policy.
    idle: &["manualSelector", "podReplacementPolicy", "selector"],
};

const POD: Fields = Fields {
    known: &["containers", "initContainers", "restartPolicy", "terminationGracePeriodSeconds", "volumes"],
    idle: &[
        "affinity",
        "automountServiceAccountToken",
        "dnsPolicy",
        "enableServiceLinks",
        "imagePullSecrets",
        "nodeSelector",
        "os",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "resources",
        "runtimeClassName",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "tolerations",
        "topologySpreadConstraints",
    ],
};

const CONTAINER: Fields = Fields {
    known: &["args", "command", "env", "envFrom", "name", "volumeMounts", "workingDir"],
    idle: &[
        "image",
        "imagePullPolicy",
        "ports",
        "resources",
        "securityContext",
        "terminationMessagePath",
        "terminationMessagePolicy",
    ],
};

const VARIABLE: Fields = Fields { known: &["name", "value", "valueFrom"], idle: &[] };
const VALUE_FROM: Fields = Fields { known: &["configMapKeyRef", "secretKeyRef"], idle: &[] };
const ENV_FROM: Fields = Fields { known: &["configMapRef", "prefix", "secretRef"], idle: &[] };
const VOLUME: Fields = Fields { known: &["emptyDir", "name"], idle: &[] };
const MOUNT: Fields = Fields { known: &["mountPath", "name"], idle: &["readOnly"] };

/// Values that are the only ones possible, by path below `spec`; where a field is not there, its default is.
const FIXED: [(&str, &str); 5] = [
    ("completionMode", "\"NonIndexed\""),
    ("completions", "1"),
    ("parallelism", "1"),
    ("suspend", "false"),
    ("template.spec.restartPolicy", "\"Never\""),
];

/// Names the first field that is not supported.
pub(super) fn check(spec: &Value) -> Result<(), String> {
    only(spec, "spec", &JOB)?;
    for (path, wanted) in FIXED {
        let found = spec.pointer(&format!("/{}", path.replace('.', "/")));
        let found = found.filter(|found| !found.is_null()).map(Value::to_string);
        if let Some(found) = found.filter(|found| found != wanted) {
            return Err(format!("spec.{path} is {found}: only {wanted} is supported"));
        }
    }
    let Some(pod) = spec.pointer("/template/spec") else {
        return Err("spec.template.spec is missing".to_owned());
    };
    let path = "spec.template.spec";
    only(pod, path, &POD)?;
    each(pod, path, "volumes", |volume, path| {
        only(volume, path, &VOLUME)?;
        if volume.get("emptyDir").is_none() { Err(format!("{path}.emptyDir is missing")) } else { Ok(()) }
    })?;
    for list in ["initContainers", "containers"] {
        each(pod, path, list, |container, path| {
            only(container, path, &CONTAINER)?;
            each(container, path, "volumeMounts", |mount, path| only(mount, path, &MOUNT))?;
            each(container, path, "envFrom", |from, path| only(from, path, &ENV_FROM))?;
            each(container, path, "env", |variable, path| {
                only(variable, path, &VARIABLE)?;
                variable
                    .get("valueFrom")
                    .map_or(Ok(()), |from| only(from, &format!("{path}.valueFrom"), &VALUE_FROM))
            })
        })?;
    }
    Ok(())
}

fn each(
    object: &Value,
    path: &str,
    list: &str,
    check: impl Fn(&Value, &str) -> Result<(), String>,
) -> Result<(), String> {
    let items = object.get(list).and_then(Value::as_array).into_iter().flatten();
    items.enumerate().try_for_each(|(index, item)| check(item, &format!("{path}.{list}[{index}]")))
}

fn only(object: &Value, path: &str, fields: &Fields) -> Result<(), String> {
    let is_strange =
        |name: &&String| ![fields.known, fields.idle].iter().any(|of| of.contains(&name.as_str()));
    let there = object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    match there.map(|(name, _)| name).find(is_strange) {
        Some(name) => Err(format!("{path}.{name} is not supported")),
        None => Ok(()),
    }
}
