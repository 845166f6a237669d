//! What a pod and its containers ask for.

use portcullis_policy::prelude::*;

use crate::image::Image;
use crate::place::Place;
use crate::{
    CAPABILITY, CAPABILITY_NOT_DROPPED, HOST_NAMESPACE, HOST_PATH, HOST_PORT, IMAGE_DIGEST, IMAGE_REGISTRY, IMAGE_TAG,
    LIMITS, Level, MALFORMED, MORE, PRIVILEGE_ESCALATION, PRIVILEGED, PROC_MOUNT, REQUESTS, ROOT, SECCOMP,
    SERVICE_ACCOUNT_TOKEN, Settings,
};

/// The findings about one pod.
pub struct Review<'s> {
    settings: &'s Settings,
    findings: Vec<Finding>,
    untold: usize,
}

impl<'s> Review<'s> {
    pub fn new(settings: &'s Settings) -> Review<'s> {
        Review { settings, findings: Vec::new(), untold: 0 }
    }

    /// Judges a `PodSpec`.
    pub fn pod(&mut self, pod: &Place<'_>) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            let host = pod.get(name);
            if host.boolean() == Some(true) {
                self.tell(
                    self.settings.host_namespaces,
                    HOST_NAMESPACE,
                    &host.at,
                    &format!("{name} shares the node's"),
                );
            }
        }
        for volume in pod.get("volumes").items() {
            let path = volume.get("hostPath");
            if path.is_there() {
                self.tell(self.settings.host_paths, HOST_PATH, &path.at, "hostPath mounts the node's files");
            }
        }
        let token = pod.get("automountServiceAccountToken");
        if token.boolean() != Some(false) {
            let message = "set automountServiceAccountToken to false, or the pod can call the API";
            self.tell(self.settings.service_account_token, SERVICE_ACCOUNT_TOKEN, &token.at, message);
        }
        let security = pod.get("securityContext");
        self.windows(&security);
        let containers = pod.get("containers");
        if containers.items().is_empty() {
            self.tell(Level::Deny, MALFORMED, &containers.at, "a pod has containers");
        }
        for name in ["initContainers", "containers", "ephemeralContainers"] {
            for container in pod.get(name).items() {
                self.container(&container, &security, name == "ephemeralContainers");
            }
        }
    }

    /// A finding at the level that the settings give it.
    #[inline(never)]
    pub fn tell(&mut self, level: Level, code: Code, at: &str, message: &str) {
        let finding = match level {
            Level::Off => return,
            Level::Warn => warn(code, message),
            Level::Deny => deny(code, message),
        };
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding.at(at));
        } else if level == Level::Deny {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// All findings.
    pub fn finish(mut self) -> Vec<Finding> {
        if self.untold > 0 {
            self.findings.push(deny(MORE, format!("and {} more of these", self.untold)));
        }
        self.findings
    }

    fn container(&mut self, container: &Place<'_>, pod: &Place<'_>, ephemeral: bool) {
        let own = container.get("securityContext");
        self.windows(&own);
        let privileged = own.get("privileged");
        if privileged.boolean() == Some(true) {
            self.tell(self.settings.privileged, PRIVILEGED, &privileged.at, "a privileged container owns the node");
        }
        let escalation = own.get("allowPrivilegeEscalation");
        if escalation.boolean() != Some(false) {
            let message = "set allowPrivilegeEscalation to false";
            self.tell(self.settings.privilege_escalation, PRIVILEGE_ESCALATION, &escalation.at, message);
        }
        let mount = own.get("procMount");
        if mount.text().is_some_and(|mount| mount != "Default") {
            self.tell(self.settings.privileged, PROC_MOUNT, &mount.at, "procMount shows the kernel's interfaces");
        }
        self.user(&own, pod);
        self.seccomp(&own, pod);
        self.capabilities(&own.get("capabilities"));
        self.image(&container.get("image"));
        for port in container.get("ports").items() {
            let host = port.get("hostPort");
            if host.integer().is_some_and(|port| port != 0) {
                self.tell(self.settings.host_ports, HOST_PORT, &host.at, "hostPort takes a port of the node");
            }
        }
        // Kubernetes refuses resources for ephemeral containers.
        if !ephemeral {
            let resources = container.get("resources");
            self.amounts(&resources.get("limits"), self.settings.limits, LIMITS);
            self.amounts(&resources.get("requests"), self.settings.requests, REQUESTS);
        }
    }

    /// What the container says counts before what the pod says.
    fn user(&mut self, own: &Place<'_>, pod: &Place<'_>) {
        let user = [own.get("runAsUser"), pod.get("runAsUser")].into_iter().find(Place::is_there);
        let non_root = [own.get("runAsNonRoot"), pod.get("runAsNonRoot")].into_iter().find(Place::is_there);
        if let Some(user) = user.as_ref().filter(|user| user.integer().is_none_or(|user| user <= 0)) {
            self.tell(self.settings.run_as_root, ROOT, &user.at, "runAsUser 0 is root");
        } else if user.is_none() && non_root.as_ref().and_then(Place::boolean) != Some(true) {
            let message = "set runAsNonRoot to true, or runAsUser to a user other than 0";
            self.tell(self.settings.run_as_root, ROOT, &own.get("runAsNonRoot").at, message);
        }
    }

    fn seccomp(&mut self, own: &Place<'_>, pod: &Place<'_>) {
        let profile = [own, pod].map(|context| context.get("seccompProfile")).into_iter().find(Place::is_there);
        let kind = profile.as_ref().and_then(|profile| profile.get("type").text());
        if !matches!(kind, Some("RuntimeDefault" | "Localhost")) {
            let at = profile.map_or_else(|| own.get("seccompProfile").at, |profile| profile.get("type").at);
            self.tell(self.settings.seccomp, SECCOMP, &at, "set seccompProfile's type to RuntimeDefault or Localhost");
        }
    }

    fn capabilities(&mut self, capabilities: &Place<'_>) {
        for added in capabilities.get("add").items() {
            let name = added.text().unwrap_or_default();
            let plain = name.strip_prefix("CAP_").unwrap_or(name);
            if !self.settings.allowed_capabilities.iter().any(|allowed| allowed == plain) {
                let message = format!("capability {} is not among the allowed", quote(name));
                self.tell(self.settings.capabilities, CAPABILITY, &added.at, &message);
            }
        }
        let drop = capabilities.get("drop");
        let all = |name: &Place<'_>| name.text().is_some_and(|name| name.eq_ignore_ascii_case("ALL"));
        if !drop.items().iter().any(all) {
            let message = "drop the capabilities that every container gets: drop: [ALL]";
            self.tell(self.settings.drop_capabilities, CAPABILITY_NOT_DROPPED, &drop.at, message);
        }
    }

    fn image(&mut self, place: &Place<'_>) {
        let Some(image) = place.text().and_then(Image::parse) else {
            return self.tell(Level::Deny, MALFORMED, &place.at, "is no image reference");
        };
        if !image.pinned && matches!(image.tag, None | Some("latest" | "")) {
            let message = "name a tag other than latest, or a digest: what runs must not change by itself";
            self.tell(self.settings.image_tag, IMAGE_TAG, &place.at, message);
        }
        if !image.pinned {
            self.tell(self.settings.image_digest, IMAGE_DIGEST, &place.at, "pin the image with @sha256:");
        }
        let allowed = &self.settings.registries;
        if !allowed.is_empty() && !image.is_from(allowed) {
            let message = format!("{} is not from an allowed registry", quote(&image.repository));
            self.tell(self.settings.image_registry, IMAGE_REGISTRY, &place.at, &message);
        }
    }

    fn amounts(&mut self, amounts: &Place<'_>, level: Level, code: Code) {
        let missing: Vec<&str> = ["cpu", "memory"].into_iter().filter(|name| !amounts.get(name).is_there()).collect();
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            self.tell(level, code, &amounts.at, &format!("{} {verb} missing", missing.join(" and ")));
        }
    }

    /// On Windows, a host process is what a privileged container is elsewhere.
    fn windows(&mut self, security: &Place<'_>) {
        let host = security.get("windowsOptions").get("hostProcess");
        if host.boolean() == Some(true) {
            self.tell(self.settings.privileged, PRIVILEGED, &host.at, "a host process owns the node");
        }
    }
}

/// Beyond these, findings that deny are counted, not told.
const MAX_FINDINGS: usize = 100;
