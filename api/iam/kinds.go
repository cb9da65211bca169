package iam

// A guarded kind is one of other services' resources: their own services make and
// delete them, here is who may do what with them.
type guardedKind struct {
	service  string // below yandex.cloud
	file     string // that defines it, below yandex/cloud
	kind     string
	endpoint string // service id of those who look for its address
	answer   bindingsAnswer
}

// bindingsAnswer says what a service's .proto file declares that changes of
// bindings are described by and answered with.
type bindingsAnswer uint8

const (
	withDeltas    bindingsAnswer = iota // access.AccessBindingsOperationResult
	withNothing                         // google.protobuf.Empty
	ofCommunities                       // likewise, with metadata of its own
	ofProjects                          // likewise
)

// guardedKinds has a row for every service of the vendor's API that sets access
// bindings, but those that are served whole.
var guardedKinds = []guardedKind{
	{"airflow.v1.ClusterService", "airflow/v1/cluster_service.proto", "managed-airflow.cluster", "managed-airflow", withDeltas},
	{"audittrails.v1.TrailService", "audittrails/v1/trail_service.proto", "audit-trails.trail", "audittrails", withNothing},
	{"certificatemanager.v1.CertificateService", "certificatemanager/v1/certificate_service.proto", "certificate-manager.certificate", "certificate-manager", withNothing},
	{"clouddesktop.v1.api.DesktopGroupService", "clouddesktop/v1/desktop_group_service.proto", "vdi.desktopGroup", "clouddesktops", withNothing},
	{"cloudregistry.v1.ArtifactService", "cloudregistry/v1/artifact_service.proto", "cloud-registry.artifact", "cloud-registry", withNothing},
	{"cloudregistry.v1.RegistryService", "cloudregistry/v1/registry_service.proto", "cloud-registry.registry", "cloud-registry", withNothing},
	{"compute.v1.DiskPlacementGroupService", "compute/v1/disk_placement_group_service.proto", "compute.diskPlacementGroup", "compute", withDeltas},
	{"compute.v1.DiskService", "compute/v1/disk_service.proto", "compute.disk", "compute", withDeltas},
	{"compute.v1.FilesystemService", "compute/v1/filesystem_service.proto", "compute.filesystem", "compute", withDeltas},
	{"compute.v1.GpuClusterService", "compute/v1/gpu_cluster_service.proto", "compute.gpuCluster", "compute", withDeltas},
	{"compute.v1.HostGroupService", "compute/v1/host_group_service.proto", "compute.hostGroup", "compute", withDeltas},
	{"compute.v1.ImageService", "compute/v1/image_service.proto", "compute.image", "compute", withDeltas},
	{"compute.v1.InstanceService", "compute/v1/instance_service.proto", "compute.instance", "compute", withDeltas},
	{"compute.v1.PlacementGroupService", "compute/v1/placement_group_service.proto", "compute.placementGroup", "compute", withDeltas},
	{"compute.v1.SnapshotScheduleService", "compute/v1/snapshot_schedule_service.proto", "compute.snapshotSchedule", "compute", withDeltas},
	{"compute.v1.SnapshotService", "compute/v1/snapshot_service.proto", "compute.snapshot", "compute", withDeltas},
	{"compute.v1.instancegroup.InstanceGroupService", "compute/v1/instancegroup/instance_group_service.proto", "compute.instanceGroup", "compute", withNothing},
	{"containerregistry.v1.RegistryService", "containerregistry/v1/registry_service.proto", "container-registry.registry", "container-registry", withNothing},
	{"containerregistry.v1.RepositoryService", "containerregistry/v1/repository_service.proto", "container-registry.repository", "container-registry", withNothing},
	{"dataproc.v1.ClusterService", "dataproc/v1/cluster_service.proto", "dataproc.cluster", "dataproc", withDeltas},
	{"datasphere.v2.CommunityService", "datasphere/v2/community_service.proto", "datasphere.community", "datasphere", ofCommunities},
	{"datasphere.v2.ProjectService", "datasphere/v2/project_service.proto", "datasphere.project", "datasphere", ofProjects},
	{"dns.v1.DnsFirewallService", "dns/v1/dns_firewall_service.proto", "dns.dnsFirewall", "dns", withNothing},
	{"dns.v1.DnsInboundEndpointService", "dns/v1/dns_endpoint_service.proto", "dns.dnsInboundEndpoint", "dns", withNothing},
	{"dns.v1.DnsZoneService", "dns/v1/dns_zone_service.proto", "dns.dnsZone", "dns", withNothing},
	{"iam.v1.workload.oidc.FederationService", "iam/v1/workload/oidc/federation_service.proto", "iam.workloadIdentityFederation", "iam", withDeltas},
	{"k8s.v1.ClusterService", "k8s/v1/cluster_service.proto", "k8s.cluster", "managed-kubernetes", withDeltas},
	{"kms.v1.SymmetricKeyService", "kms/v1/symmetric_key_service.proto", "kms.symmetricKey", "kms", withNothing},
	{"kms.v1.asymmetricencryption.AsymmetricEncryptionKeyService", "kms/v1/asymmetricencryption/asymmetric_encryption_key_service.proto", "kms.asymmetricEncryptionKey", "kms", withNothing},
	{"kms.v1.asymmetricsignature.AsymmetricSignatureKeyService", "kms/v1/asymmetricsignature/asymmetric_signature_key_service.proto", "kms.asymmetricSignatureKey", "kms", withNothing},
	{"lockbox.v1.SecretService", "lockbox/v1/secret_service.proto", "lockbox.secret", "lockbox", withNothing},
	{"logging.v1.ExportService", "logging/v1/export_service.proto", "logging.export", "logging", withNothing},
	{"logging.v1.LogGroupService", "logging/v1/log_group_service.proto", "logging.logGroup", "logging", withNothing},
	{"logging.v1.SinkService", "logging/v1/sink_service.proto", "logging.sink", "logging", withNothing},
	{"mdb.clickhouse.v1.ClusterService", "mdb/clickhouse/v1/cluster_service.proto", "managed-clickhouse.cluster", "managed-clickhouse", withDeltas},
	{"mdb.greenplum.v1.ClusterService", "mdb/greenplum/v1/cluster_service.proto", "managed-greenplum.cluster", "managed-greenplum", withDeltas},
	{"mdb.kafka.v1.ClusterService", "mdb/kafka/v1/cluster_service.proto", "managed-kafka.cluster", "managed-kafka", withDeltas},
	{"mdb.mongodb.v1.ClusterService", "mdb/mongodb/v1/cluster_service.proto", "managed-mongodb.cluster", "managed-mongodb", withDeltas},
	{"mdb.mysql.v1.ClusterService", "mdb/mysql/v1/cluster_service.proto", "managed-mysql.cluster", "managed-mysql", withDeltas},
	{"mdb.opensearch.v1.ClusterService", "mdb/opensearch/v1/cluster_service.proto", "managed-opensearch.cluster", "managed-opensearch", withDeltas},
	{"mdb.postgresql.v1.ClusterService", "mdb/postgresql/v1/cluster_service.proto", "managed-postgresql.cluster", "managed-postgresql", withDeltas},
	{"mdb.redis.v1.ClusterService", "mdb/redis/v1/cluster_service.proto", "managed-redis.cluster", "managed-redis", withDeltas},
	{"mdb.spqr.v1.ClusterService", "mdb/spqr/v1/cluster_service.proto", "managed-spqr.cluster", "managed-spqr", withDeltas},
	{"metastore.v1.ClusterService", "metastore/v1/cluster_service.proto", "managed-metastore.cluster", "managed-metastore", withDeltas},
	{"organizationmanager.v1.idp.UserpoolService", "organizationmanager/v1/idp/userpool_service.proto", "organization-manager.userpool", "organization-manager", withDeltas},
	{"organizationmanager.v1.idp.application.oauth.ApplicationService", "organizationmanager/v1/idp/application/oauth/application_service.proto", "organization-manager.oauthApplication", "organization-manager", withDeltas},
	{"organizationmanager.v1.idp.application.saml.ApplicationService", "organizationmanager/v1/idp/application/saml/application_service.proto", "organization-manager.samlApplication", "organization-manager", withDeltas},
	{"serverless.apigateway.v1.ApiGatewayService", "serverless/apigateway/v1/apigateway_service.proto", "api-gateway.apiGateway", "serverless-apigateway", withNothing},
	{"serverless.containers.v1.ContainerService", "serverless/containers/v1/container_service.proto", "serverless-containers.container", "serverless-containers", withNothing},
	{"serverless.eventrouter.v1.BusService", "serverless/eventrouter/v1/bus_service.proto", "serverless.bus", "serverless-eventrouter", withNothing},
	{"serverless.eventrouter.v1.ConnectorService", "serverless/eventrouter/v1/connector_service.proto", "serverless.eventrouterConnector", "serverless-eventrouter", withNothing},
	{"serverless.eventrouter.v1.RuleService", "serverless/eventrouter/v1/rule_service.proto", "serverless.eventrouterRule", "serverless-eventrouter", withNothing},
	{"serverless.functions.v1.FunctionService", "serverless/functions/v1/function_service.proto", "functions.function", "serverless-functions", withNothing},
	{"serverless.mcpgateway.v1.McpGatewayService", "serverless/mcpgateway/v1/mcp_gateway_service.proto", "serverless.mcpGateway", "mcp-gateway", withNothing},
	{"serverless.mdbproxy.v1.ProxyService", "serverless/mdbproxy/v1/proxy_service.proto", "serverless.mdbProxy", "mdbproxy", withNothing},
	{"serverless.workflows.v1.WorkflowService", "serverless/workflows/v1/workflow_service.proto", "serverless.workflow", "serverless-workflows", withNothing},
	{"spark.v1.ClusterService", "spark/v1/cluster_service.proto", "managed-spark.cluster", "managed-spark", withDeltas},
	{"storage.v1.BucketService", "storage/v1/bucket_service.proto", "storage.bucket", "storage-api", withNothing},
	{"trino.v1.ClusterService", "trino/v1/cluster_service.proto", "managed-trino.cluster", "managed-trino", withDeltas},
	{"video.v1.ChannelService", "video/v1/channel_service.proto", "video.channel", "video", withDeltas},
	{"ydb.v1.BackupService", "ydb/v1/backup_service.proto", "ydb.backup", "ydb", withNothing},
	{"ydb.v1.DatabaseService", "ydb/v1/database_service.proto", "ydb.database", "ydb", withNothing},
}
